import Foundation
import Hummingbird
import NIOCore
import ServiceKit
import Suite
import SuiteAPI

/// HTTP in, HTTP out.
struct RetrievalRoutes {
    let service: RetrievalService

    var all: [Route] {
        [
            Route(.post, "/index", "Reads documents in: what is new or changed.", access: .role(.developer), stopsWhenClientLeaves: true) {
                request, context in
                try await index(request, context)
            },
            Route(.post, "/query", "Answers a question from the documents, whole or streamed.", stopsWhenClientLeaves: true) {
                request, context in
                let body = try Request.decode(QueryRequest.self, from: try await request.bytes(context))
                guard body.stream == true else {
                    return .json(try await request.whileClientStays { try await service.answering.answer(body) })
                }
                return streamed(body, for: request)
            },
            Route(.post, "/search", "The passages for a question, without an answer, and whether they can hold one.") { request, context in
                let start = ContinuousClock.now
                let (sources, found) = try await service.answering.find(try await request.decode(QueryRequest.self, context))
                return .json(
                    SearchResponse(
                        sources: sources, answerable: Answerability.holds(found), evidence: Answerability.evidence(found),
                        response_time_ms: Int(start.duration(to: .now).milliseconds)))
            },
            Route(.get, "/collections", "What was indexed, by collection.") { _, _ in
                let found = try await service.database.collections().map { name, documents, passages in
                    ["name": .string(name), "documents": .integer(Int64(documents)), "passages": .integer(Int64(passages))] as JSONValue
                }
                return .json(["collections": .array(found)] as JSONValue)
            },
            Route(.delete, "/collections/{collection}", "Forgets a collection.", access: .role(.developer)) { _, context in
                let raw = try context.parameters.require("collection")
                let name = try RetrievalService.permitted(raw.removingPercentEncoding ?? raw)
                // First what names the vectors: without it they are leftovers, which the next run removes.
                let wasKnown = try await service.database.removeCollection(name)
                guard try await service.clients.vectors.deleteCollection(name) || wasKnown else {
                    throw ServiceError.notFound("There is no collection “\(name)”.", code: "collection_not_found")
                }
                return .json(["deleted": .string(name)] as JSONValue)
            },
            Route(.post, "/prewarm", "Embeds one text, so that the next question is fast.") { _, _ in
                let answer = try await service.clients.embedding.embed(["prewarm"], for: .query)
                return .json(["ok": true, "embed_dim": .integer(Int64(answer.dim))] as JSONValue)
            },
        ]
    }

    private func index(_ request: Request, _ context: CallContext) async throws -> Response {
        let bytes = try await request.bytes(context)
        let body = bytes.readableBytes == 0 ? IndexRequest() : try Request.decode(IndexRequest.self, from: bytes)
        let query = request.uri.queryParameters
        let collection = query["collection"].map(String.init) ?? body.collection ?? service.settings[SettingKeys.ragDefaultCollection]
        _ = try RetrievalService.permitted(collection)
        guard (1...100).contains(collection.count), collection.allSatisfy({ $0.isLetter || $0.isNumber || "-_".contains($0) }) else {
            throw ServiceError.invalid("A collection's name has 1 to 100 letters, digits, dashes and underscores.", parameter: "collection")
        }
        let text = query["path"].map(String.init) ?? body.path ?? service.settings[SettingKeys.documentsDirectory]
        let path = service.settings.path(text)
        return .json(try await request.whileClientStays { try await service.indexing.run(path, into: collection) })
    }

    /// Events are objects with one member: `sources`, `delta`, `done` or `error`.
    private func streamed(_ body: QueryRequest, for request: Request) -> Response {
        let content = request.stream { writer in
            do {
                let answer = try await service.answering.answer(body) { event in
                    switch event {
                    case .sources(let sources): try await writer.write(try Self.event(["sources": sources]))
                    case .delta(let text): try await writer.write(try Self.event(["delta": text]))
                    case .done: break
                    }
                }
                try await writer.write(try Self.event(["done": answer]))
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // The head is long gone: the error takes the place of the rest.
                let told = (error as? ServiceError) ?? (error as? UpstreamError)?.asServiceError
                let message = told?.message ?? "Something went wrong here; the log has the details."
                try await writer.write(try Self.event(["error": ["message": message, "code": told?.code ?? "internal_error"]]))
            }
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-cache"], body: content)
    }

    private static func event(_ members: [String: some Encodable]) throws -> String {
        SSE.event(String(decoding: try JSONEncoder.wire.encode(members), as: UTF8.self))
    }
}
