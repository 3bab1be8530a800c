import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI

/// HTTP in, HTTP out: the engine's own routes, with fields allow-listed and bytes passed on as they come.
struct InferenceRoutes {
    let service: InferenceService

    var all: [Route] {
        [
            Route(.get, "/v1/models", "The model that is served.") { _, _ in
                let model = await service.models.served.file
                return .json(ModelList([.init(id: model.name, created: model.created)]))
            },
            passing("/v1/chat/completions", "A chat completion, whole or streamed.", fields: completionFields),
            passing("/v1/completions", "A completion of a prompt.", fields: completionFields),
            passing("/tokenize", "The tokens of a text.", fields: tokenFields),
            passing("/detokenize", "The text of tokens.", fields: tokenFields),
            Route(
                .post, "/admin/model", "Serves another model until the service ends; answers once it is ready.", access: .role(.service)
            ) { request, context in
                .json(try await service.models.serve(try await request.decode(ModelSwitchRequest.self, context)))
            },
        ]
    }

    /// What one request may ask of the model is bound by how its engine is run.
    private func completionFields(_ body: ByteBufferView, _ served: ServedModel) throws -> Data {
        try RequestFields.completion(
            body, model: served.file.name,
            bounds: .init(context: served.configuration.context, choices: served.configuration.parallel))
    }

    private func tokenFields(_ body: ByteBufferView, _ served: ServedModel) throws -> Data { try RequestFields.tokens(body) }

    private func passing(
        _ path: String, _ summary: String, fields: @escaping @Sendable (ByteBufferView, ServedModel) throws -> Data
    ) -> Route {
        Route(.post, path, summary, stopsWhenClientLeaves: true) { request, context in
            let (endpoint, served) = try await service.models.ready()
            let body = try fields(try await request.bytes(context).readableBytesView, served)
            var upstream = HTTPClientRequest(url: endpoint.baseURL + path)
            upstream.method = .POST
            upstream.headers = ["content-type": "application/json", "authorization": "Bearer \(endpoint.key)"]
            upstream.body = .bytes(ByteBuffer(data: body))
            return try await service.relay.pass(upstream, for: request, headLimit: .seconds(3_600))
        }
    }
}
