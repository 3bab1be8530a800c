import Foundation
import HTTPTypes
import Hummingbird
import ServiceKit
import Suite
import SuiteAPI

/// Conversations over HTTP: save, find, look at, change, delete.
struct ConversationRoutes: Sendable {
    let service: MemoryService

    var all: [Route] {
        [
            Route(.post, "/v1/memory/conversations", "Keeps a turn.", access: .role(.developer), isBrief: true, handler: save),
            Route(.post, "/v1/memory/conversations/search", "Finds conversations by words and by meaning, and says why.", handler: search),
            Route(.get, "/v1/memory/projects/{id}/conversations", "Conversations, newest first.", handler: list),
            Route(.get, "/v1/memory/projects/{id}/conversations/{conversation_id}", "One conversation.") { request, context in
                let store = try await service.existing(context)
                return .json(
                    ["success": true, "conversation": .object(try await store.conversation(try Self.number(context)).wire)] as JSONValue)
            },
            Route(
                .patch, "/v1/memory/projects/{id}/conversations/{conversation_id}", "Changes a conversation.", access: .role(.developer),
                handler: edit),
            Route(
                .delete, "/v1/memory/projects/{id}/conversations/{conversation_id}",
                "Forgets a conversation, and what was learnt from it alone.", access: .role(.developer)
            ) { _, context in
                let store = try await service.existing(context)
                try await store.delete(try Self.number(context))
                service.sync.wake(store)
                return Response(status: .noContent)
            },
        ]
    }

    private func save(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(SaveConversationRequest.self, context)
        let new = try NewConversation(body)
        let caller = try service.caller(body.user_id, context.caller)
        let store = try await service.projects.store(try service.project(body.project_id, caller), for: caller)
        let saved = try await store.save(new)
        service.sync.wake(store)
        return .json(
            [
                "success": true, "conversation_id": .integer(saved.id), "project_id": .string(store.project.text),
                "importance_score": .integer(Int64(saved.importance)), "expires_at": .of(saved.expiresAt), "message": "Conversation saved",
            ] as JSONValue)
    }

    private func search(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(SearchConversationsRequest.self, context)
        let filter = try MemoryFilter(body)
        let limit = try MemoryLimits.number(body.limit, "limit", in: 1...100) ?? 10
        let offset = try MemoryLimits.number(body.offset, "offset", in: 0...10_000) ?? 0
        let project = try service.project(body.project_id, context.caller)
        guard let store = try await service.projects.ifThere(project, for: context.caller) else {
            // Nothing was ever saved in it: that is no fault, and no reason to make one.
            return Self.answer(project, [], total: 0, way: "none", without: nil)
        }
        guard let query = body.query, query.contains(where: { !$0.isWhitespace }) else {
            let (found, total) = try await store.mostImportant(filter, limit: limit, offset: offset)
            return Self.answer(project, found.map(\.wire), total: total, way: "importance", without: nil)
        }
        guard query.utf8.count <= MemoryLimits.queryBytes else {
            throw ServiceError.tooLarge("“query” has at most \(MemoryLimits.queryBytes) bytes.", parameter: "query")
        }
        let way: HybridSearch.Way = body.use_vector_search.map { $0 ? .vector : .fts5 } ?? .hybrid
        let found = try await service.search(in: store).run(query, filter, by: way, limit: limit + offset)
        let hits = found.hits.dropFirst(offset)
        return Self.answer(project, hits.map(\.wire), total: hits.count, way: found.way.rawValue, without: found.withoutVectors)
    }

    private static func answer(
        _ project: ProjectID, _ results: [[String: JSONValue]], total: Int, way: String, without problem: String?
    ) -> Response {
        var body: [String: JSONValue] = [
            "success": true, "project_id": .string(project.text), "results": .array(results.map(JSONValue.object)),
            "total_results": .integer(Int64(total)), "search_type": .string(way),
        ]
        if let problem { body["vector_search_unavailable"] = .string(problem) }
        return .json(JSONValue.object(body))
    }

    private func list(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        var filter = MemoryFilter()
        filter.importance = (try request.queryInteger("importance_min", in: Importance.range) ?? 1)...10
        filter.session = try MemoryLimits.word(request.uri.queryParameters["session_id"].map(String.init), "session_id")
        let limit = try request.queryInteger("limit", in: 1...1_000) ?? 50
        let offset = try request.queryInteger("offset", in: 0...10_000_000) ?? 0
        let (found, total) = try await store.list(filter, limit: limit, offset: offset)
        return .json(
            [
                "success": true, "project_id": .string(store.project.text), "conversations": .array(found.map { .object($0.wire) }),
                "total": .integer(Int64(total)),
            ] as JSONValue)
    }

    private func edit(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let change = try ConversationChange(try await request.strict(EditConversationRequest.self, context))
        let edited = try await store.edit(try Self.number(context), change)
        service.sync.wake(store)
        return .json(["success": true, "conversation": .object(edited.wire)] as JSONValue)
    }

    private static func number(_ context: CallContext) throws -> Int64 {
        let text = try context.part("conversation_id")
        guard let id = Int64(text), id > 0 else {
            throw ServiceError.invalid("A conversation's id is a whole number from 1.", parameter: "conversation_id")
        }
        return id
    }
}

extension HybridSearch.Hit {
    /// The conversation, and why it was found.
    var wire: [String: JSONValue] {
        var fields = conversation.wire
        fields["search_score"] = .number(score)
        fields["similarity_score"] = similarity.map(JSONValue.number) ?? .null
        fields["search_method"] = .string(method.rawValue)
        fields["search_metadata"] = [
            "matched_terms": .array(terms.map(JSONValue.string)), "lexical_rank": .of(lexicalRank),
            "relevance_score": words.map(JSONValue.number) ?? .null, "vector_rank": .of(vectorRank),
            "assumed_similarity": assumedSimilarity.map(JSONValue.number) ?? .null, "recency": .number(recency),
            "newer_than": .array(newerThan.map(JSONValue.integer)), "words_weight": .number(HybridSearch.weightOfWords),
            "importance_weight": .number(HybridSearch.weightOfImportance), "recency_weight": .number(HybridSearch.weightOfRecency),
            "combined_score": .number(score), "search_type": .string(method.rawValue),
        ]
        return fields
    }
}
