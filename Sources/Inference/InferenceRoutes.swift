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
                .json(ModelList([.init(id: service.model.name, created: service.model.created)]))
            },
            passing("/v1/chat/completions", "A chat completion, whole or streamed.", fields: completionFields),
            passing("/v1/completions", "A completion of a prompt.", fields: completionFields),
            passing("/tokenize", "The tokens of a text.", fields: RequestFields.tokens),
            passing("/detokenize", "The text of tokens.", fields: RequestFields.tokens),
        ]
    }

    private func completionFields(_ body: ByteBufferView) throws -> Data {
        try RequestFields.completion(body, model: service.model.name, bounds: service.bounds)
    }

    private func passing(
        _ path: String, _ summary: String, fields: @escaping @Sendable (ByteBufferView) throws -> Data
    ) -> Route {
        Route(.post, path, summary, stopsWhenClientLeaves: true) { request, context in
            let endpoint = try await service.readyEngine()
            let body = try fields(try await request.bytes(context).readableBytesView)
            var upstream = HTTPClientRequest(url: endpoint.baseURL + path)
            upstream.method = .POST
            upstream.headers = ["content-type": "application/json", "authorization": "Bearer \(endpoint.key)"]
            upstream.body = .bytes(ByteBuffer(data: body))
            return try await service.relay.pass(upstream, for: request, headLimit: .seconds(3_600))
        }
    }
}
