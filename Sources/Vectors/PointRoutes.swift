import Hummingbird
import Metrics
import ServiceKit
import SuiteAPI

/// Points, over HTTP.
struct PointRoutes {
    let service: VectorsService

    /// Most points an answer may hold.
    private static let pageLimit = 10_000

    var all: [Route] { writing + payloads + reading + searching }

    private func collection(_ context: CallContext) async throws -> Collection {
        try await service.ready().collection(try service.collectionName(context))
    }

    private var writing: [Route] {
        [
            Route(.put, "/collections/{collection}/points", "Writes points; durable when answered.", access: .role(.developer)) {
                request, context in
                let body = try await request.decode(UpsertBody.self, context)
                return try await QdrantReply.updated { try await collection(context).upsert(body.records) }
            },
            Route(.post, "/collections/{collection}/points/delete", "Removes points by id or filter.", access: .role(.developer)) {
                request, context in
                let body = try await request.decode(SelectorBody.self, context)
                return try await QdrantReply.updated {
                    let collection = try await collection(context)
                    try await collection.remove(try body.chosen(in: collection))
                }
            },
        ]
    }

    private var payloads: [Route] {
        [
            changing(.post, "/collections/{collection}/points/payload", "Sets members of payloads.", needs: PayloadBody.needPayload) {
                old, body in
                guard let key = body.key else { return old.merging(body.payload ?? [:]) { _, new in new } }
                return PayloadPath(key).setting(body.payload ?? [:], in: old)
            },
            changing(.put, "/collections/{collection}/points/payload", "Replaces payloads.", needs: PayloadBody.needPayload) { _, body in
                body.payload ?? [:]
            },
            changing(.post, "/collections/{collection}/points/payload/delete", "Removes members of payloads.", needs: PayloadBody.needKeys)
            { old, body in
                JSONValue.object(old).removing((body.keys ?? []).flatMap(PayloadPath.meanings))?.objectValue ?? [:]
            },
            changing(.post, "/collections/{collection}/points/payload/clear", "Empties payloads.") { _, _ in [:] },
        ]
    }

    private func changing(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String,
        needs: @escaping @Sendable (PayloadBody) throws -> Void = { _ in },
        _ change: @escaping @Sendable ([String: JSONValue], PayloadBody) -> [String: JSONValue]
    ) -> Route {
        Route(method, path, summary, access: .role(.developer)) { request, context in
            let body = try await request.decode(PayloadBody.self, context)
            try needs(body)
            return try await QdrantReply.updated {
                let collection = try await collection(context)
                try await collection.updatePayloads(of: try body.selector.chosen(in: collection)) { change($0, body) }
            }
        }
    }

    private var reading: [Route] {
        [
            Route(.post, "/collections/{collection}/points", "Points by id.") { request, context in
                let body = try await request.decode(ReadBody.self, context)
                let format = VectorFormat(request.headers[.prefer])
                return try await QdrantReply.of {
                    let ids = try (body.ids ?? []).map { try $0.validated() }
                    let found = try await collection(context).points(ids, vector: body.with_vector ?? false)
                    return found.map { PointAnswer($0, body.with_payload ?? .all, format) }
                }
            },
            Route(.get, "/collections/{collection}/points/{id}", "One point.") { _, context in
                try await QdrantReply.of {
                    let id = try PointID(stored: try context.parameters.require("id")).validated()
                    guard let found = try await collection(context).points([id], vector: true).first else {
                        throw ServiceError.notFound("Not found: Point with id \(id) does not exists!", code: "point_not_found")
                    }
                    return PointAnswer(found, .all)
                }
            },
            Route(.post, "/collections/{collection}/points/scroll", "Points in the order of their ids, page by page.") { request, context in
                let body = try await request.decode(ReadBody.self, context)
                let limit = try bounded(body.limit ?? 10)
                return try await QdrantReply.of {
                    let collection = try await collection(context)
                    let page = collection.page(from: try body.offset?.validated(), limit: limit, filter: body.filter)
                    let found = collection.points(page.ids, vector: body.with_vector ?? false)
                    return PointAnswer.Page(
                        points: found.map { PointAnswer($0, body.with_payload ?? .all) },
                        next_page_offset: page.next.map(JSONValue.init(id:)) ?? .null)
                }
            },
            Route(.post, "/collections/{collection}/points/count", "How many points a filter lets through.") { request, context in
                let body = try await request.decode(ReadBody.self, context)
                return try await QdrantReply.of {
                    let collection = try await collection(context)
                    let count = body.filter == nil ? collection.count : collection.matching(body.filter).count
                    return ["count": .integer(Int64(count))] as JSONValue
                }
            },
        ]
    }

    private var searching: [Route] {
        [
            Route(.post, "/collections/{collection}/points/query", "The nearest points.") { request, context in
                let body = try await request.decode(SearchBody.self, context)
                return try await QdrantReply.of { PointAnswer.Found(points: try await search(body, context)) }
            },
            Route(.post, "/collections/{collection}/points/query/batch", "Several searches.") { request, context in
                let bodies = try await request.decode(SearchesBody.self, context).searches
                return try await QdrantReply.of {
                    var answers: [PointAnswer.Found] = []
                    for body in bodies { answers.append(PointAnswer.Found(points: try await search(body, context))) }
                    return answers
                }
            },
            Route(.post, "/collections/{collection}/points/search", "The nearest points, in the older form.") { request, context in
                let body = try await request.decode(SearchBody.self, context)
                return try await QdrantReply.of { try await search(body, context) }
            },
        ]
    }

    private func search(_ body: SearchBody, _ context: CallContext) async throws -> [PointAnswer] {
        guard (body.prefetch ?? []).isEmpty else {
            throw ServiceError(.notImplemented, code: "not_supported", "Prefetch is not supported by this store.")
        }
        guard body.using == nil || body.using == "" else {
            throw ServiceError.badRequest("Wrong input: Not existing vector name error: \(body.using ?? "")", code: "unknown_vector")
        }
        let collection = try await collection(context)
        let limit = try bounded(body.limit ?? 10)
        let offset = body.offset ?? 0
        guard (0...1_000_000).contains(offset) else {
            throw ServiceError.badRequest("offset must be from 0 to 1000000.", parameter: "offset")
        }
        var own: PointID?
        let query: [Float]
        switch body.query ?? body.vector.map(SearchBody.Query.vector) {
        case .vector(let vector): query = vector
        case .point(let id):
            let id = try id.validated()
            guard let vector = collection.vector(of: id) else {
                throw ServiceError.notFound("Not found: Point with id \(id) does not exists!", code: "point_not_found")
            }
            own = id
            query = vector
        case nil: throw ServiceError.badRequest("A search needs a “query”.", parameter: "query")
        }
        let timer = Timer(label: "vectors_search_duration_seconds", dimensions: [])
        let start = ContinuousClock.now
        // A point that searches for its like is not its own answer.
        let found = try collection.search(
            query, limit: limit + offset + (own == nil ? 0 : 1), filter: body.filter, isExact: body.params?.exact ?? false,
            effort: min(max(body.params?.hnsw_ef ?? 0, 0), Self.pageLimit)
        )
        .filter { hit in hit.id != own && isWithin(hit.score, body.score_threshold, collection) }
        .dropFirst(offset).prefix(limit)
        timer.recordNanoseconds(start.duration(to: .now).nanoseconds)
        let details = Dictionary(
            collection.points(found.map(\.id), vector: body.with_vector ?? false).map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first })
        return found.compactMap { hit in
            guard var point = details[hit.id].map({ PointAnswer($0, body.with_payload ?? .none) }) else { return nil }
            // JSON has no infinity; a product past the largest number is as near as can be.
            point.score = min(max(hit.score, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
            point.version = 0
            return point
        }
    }

    private func isWithin(_ score: Float, _ threshold: Float?, _ collection: Collection) -> Bool {
        guard let threshold else { return true }
        return collection.config.distance.largerIsNearer ? score >= threshold : score <= threshold
    }

    private func bounded(_ limit: Int) throws -> Int {
        guard (1...Self.pageLimit).contains(limit) else {
            throw ServiceError.badRequest("limit must be from 1 to \(Self.pageLimit); \(limit) came.", parameter: "limit")
        }
        return limit
    }
}

extension JSONValue {
    fileprivate init(id: PointID) {
        switch id {
        case .number(let number): self = Int64(exactly: number).map(JSONValue.integer) ?? .unsigned(number)
        case .uuid(let text): self = .string(text)
        }
    }
}
