import AsyncHTTPClient
import Foundation
import Hummingbird
import NIOCore
import NIOHTTP1
import ServiceKit
import SuiteAPI

/// HTTP in, HTTP out.
struct GatewayRoutes {
    let service: GatewayService

    var all: [Route] {
        [
            Route(.get, "/v1/models", "The models that can be asked for.") { _, _ in
                .json(ModelList(await service.models().map { .init(id: $0, created: 0) }))
            },
            Route(.get, "/v1/models/{model}", "One model.") { _, context in
                let name = try context.parameters.require("model")
                guard await service.models().contains(name) else {
                    throw ServiceError.notFound("The model “\(name.prefix(100))” does not exist here.", code: "model_not_found")
                }
                return .json(ModelList.Model(id: name, created: 0))
            },
            completion("/v1/chat/completions", "A chat completion, whole or streamed."),
            completion("/v1/completions", "A completion of a prompt, whole or streamed."),
            Route(.post, "/v1/embeddings", "Vectors of texts.", stopsWhenClientLeaves: true) { request, context in
                try await embeddings(request, context)
            },
        ]
    }

    private func completion(_ path: String, _ summary: String) -> Route {
        Route(.post, path, summary, stopsWhenClientLeaves: true) { request, context in
            try await service.completion.answer(request, context, path: path)
        }
    }

    private func embeddings(_ request: Request, _ context: CallContext) async throws -> Response {
        let upstream = service.embedding
        let call = upstream.call("/v1/embeddings", body: try await request.bytes(context))
        let answer = try await request.whileClientStays { try await service.relay.begin(call, headLimit: .seconds(120)) }
        let head = answer.head
        guard head.status.code >= 400 else { return service.relay.response(answer) }
        // The embedding service tells of errors in the suite's own shape; here they take OpenAI's.
        let told = try? JSONDecoder().decode(JSONValue.self, from: Data((try await head.body.collect(upTo: 1 << 16)).readableBytesView))
        // A key that is refused is the gateway's own: no fault of the client, and nothing that the client could mend.
        guard head.status.code != 401, head.status.code != 403 else {
            throw UpstreamError(service: upstream.name, status: Int(head.status.code), message: told?["detail"]?.stringValue ?? "")
        }
        // OpenAI's clients know 400 for what FastAPI's know as 422.
        let status = head.status.code == 422 ? 400 : Int(head.status.code)
        throw ServiceError(
            .init(code: status), code: told?["code"]?.stringValue ?? "upstream_error",
            told?["detail"]?.stringValue ?? "The embedding service answered \(head.status.code).",
            parameter: told?["parameter"]?.stringValue,
            retryAfter: head.headers.first(name: "retry-after").flatMap { Int($0) }.map { .seconds($0) })
    }
}
