import Foundation
import Hummingbird
import Inference
import ServiceKit
import SuiteAPI

/// HTTP in, HTTP out.
struct EmbeddingRoutes {
    let service: EmbeddingService

    var all: [Route] {
        [
            working("/embed", "One vector for each text.", EmbedRequest.self) { body, active, format in
                let result = try await active.embedder.embed(body.texts, for: body.purpose, truncate: body.truncate ?? false)
                return EmbedResponse(
                    embeddings: result.vectors, model: active.name, dim: active.dimension, normalize: active.embedder.isNormalizing,
                    truncated: result.truncated, format: format)
            },
            working("/tokenize", "How long texts are in the model's own tokens.", TokenCountRequest.self) { body, active, _ in
                try await active.embedder.tokenCounts(body.texts)
            },
            working("/v1/embeddings", "Vectors in OpenAI's shape.", OpenAIEmbeddingRequest.self) { body, active, _ in
                try body.check(model: active.name, dimension: active.dimension)
                let result = try await active.embedder.embed(body.input.texts, for: nil, truncate: false, countingTokens: true)
                return OpenAIEmbeddingResponse(result, model: active.name, format: body.encoding_format ?? "float")
            },
            Route(.get, "/models", "The embedding models that can be had.") { _, _ in
                let active = await service.models.active.name
                let known = ModelCatalogue.all.filter { $0.roles.contains(.embedding) }.map { model in
                    JSONValue.object([
                        "name": .string(model.name), "file": .string(model.file), "active": .bool(model.name == active),
                    ])
                }
                return .json(["models": .array(known)] as JSONValue)
            },
            Route(.post, "/prewarm", "Embeds one text, so that the next is fast.") { _, _ in
                let active = await service.models.active
                _ = try await active.embedder.embed(["prewarm"], for: .query, truncate: false)
                return .json(["ok": true, "model": .string(active.name), "dim": .integer(Int64(active.dimension))] as JSONValue)
            },
            Route(
                .post, "/reload", "Serves another model until the service ends; refused while collections hold vectors of this one.",
                access: .role(.developer)
            ) { request, context in
                let reloaded = try await service.models.reload(try await request.decode(ReloadRequest.self, context).model ?? "")
                let active = await service.models.active
                return .json(
                    ["reloaded": .bool(reloaded), "model": .string(active.name), "dim": .integer(Int64(active.dimension))] as JSONValue)
            },
        ]
    }

    private struct ReloadRequest: Decodable, Sendable { let model: String? }

    /// A route that has the engine work, for as long as the client stays and `REQUEST_TIMEOUT` allows.
    private func working<Body: Decodable & Sendable, Answer: Encodable & Sendable>(
        _ path: String, _ summary: String, _: Body.Type,
        _ work: @escaping @Sendable (Body, ActiveModel, VectorFormat) async throws -> Answer
    ) -> Route {
        // A question is soon embedded, and the next one comes over the same connection. More bytes would hold some hundred short texts, which
        // nobody is to wait for when their sender has left.
        Route(.post, path, summary, stopsWhenClientLeaves: true, shortBody: 512) { [service] request, context in
            let body = try await request.decode(Body.self, context)
            let active = await service.models.active
            let format = VectorFormat(request.headers[.prefer])
            do {
                let answer = try await request.whileClientStays {
                    try await withDeadline(service.timeout) { try await work(body, active, format) }
                }
                return .json(answer)
            } catch let error as DeadlineExceeded {
                throw ServiceError(.gatewayTimeout, code: "timeout", "The request took longer than REQUEST_TIMEOUT allows: \(error).")
            }
        }
    }
}
