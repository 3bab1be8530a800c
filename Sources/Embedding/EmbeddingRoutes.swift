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
            Route(.post, "/embed", "One vector for each text.") { request, context in
                let body = try await request.decode(EmbedRequest.self, context)
                let result = try await service.embedder.embed(body.texts, for: body.purpose, truncate: body.truncate ?? false)
                return .json(
                    EmbedResponse(
                        embeddings: result.vectors, model: service.model.name, dim: service.dimension,
                        normalize: service.embedder.isNormalizing,
                        truncated: result.truncated))
            },
            Route(.post, "/tokenize", "How long texts are in the model's own tokens.") { request, context in
                .json(try await service.embedder.tokenCounts(try await request.decode(TokenCountRequest.self, context).texts))
            },
            Route(.post, "/v1/embeddings", "Vectors in OpenAI's shape.") { request, context in
                let body = try await request.decode(OpenAIEmbeddingRequest.self, context)
                try body.check(model: service.model.name, dimension: service.dimension)
                let result = try await service.embedder.embed(body.input.texts, for: nil, truncate: false)
                return .json(OpenAIEmbeddingResponse(result, model: service.model.name, format: body.encoding_format ?? "float"))
            },
            Route(.get, "/models", "The embedding models that can be had.") { _, _ in
                let known = ModelCatalogue.all.filter { $0.roles.contains(.embedding) }.map { model in
                    JSONValue.object([
                        "name": .string(model.name), "file": .string(model.file), "active": .bool(model.name == service.model.name),
                    ])
                }
                return .json(["models": .array(known)] as JSONValue)
            },
            Route(.post, "/prewarm", "Embeds one text, so that the next is fast.") { _, _ in
                _ = try await service.embedder.embed(["prewarm"], for: .query, truncate: false)
                return .json(["ok": true, "model": .string(service.model.name), "dim": .integer(Int64(service.dimension))] as JSONValue)
            },
            Route(
                .post, "/reload", "Changes nothing when the model is the same; another is set by EMBEDDING_MODEL.",
                access: .role(.developer)
            ) {
                request, context in
                try await reload(try await request.decode(ReloadRequest.self, context))
            },
        ]
    }

    private struct ReloadRequest: Decodable, Sendable { let model: String }

    /// A model is part of what every collection was made with, so it is changed by its setting and a restart; here only is said what
    /// stands against it.
    private func reload(_ body: ReloadRequest) async throws -> Response {
        if body.model.isEmpty || body.model == service.model.name {
            return .json(["reloaded": false, "model": .string(service.model.name), "dim": .integer(Int64(service.dimension))] as JSONValue)
        }
        guard let known = ModelCatalogue.named(body.model), known.roles.contains(.embedding) else {
            throw ServiceError.notFound("There is no embedding model “\(body.model)”. GET /models lists them.")
        }
        let live = try await service.vectors.collections()
        guard live.isEmpty else {
            throw ServiceError.conflict(
                "\(live.count) collections were made with \(service.model.name). Set EMBEDDING_MODEL=\(known.name), restart, and index again.",
                code: "collections_exist")
        }
        throw ServiceError.conflict("Set EMBEDDING_MODEL=\(known.name) and run: maru restart embedding", code: "restart_needed")
    }
}
