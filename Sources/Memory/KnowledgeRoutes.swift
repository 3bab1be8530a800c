import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import ServiceKit
import SuiteAPI

/// What was learnt from conversations, over HTTP: facts, preferences, summaries, and what of all that belongs to a question.
struct KnowledgeRoutes: Sendable {
    let service: MemoryService

    var all: [Route] {
        [
            Route(
                .post, "/v1/memory/recall", "What is remembered about a question, fenced for a model to read.",
                stopsWhenClientLeaves: true, handler: recall)
        ]
            + KnowledgeKind.allCases.map { kind in
                Route(.get, "/v1/memory/projects/{id}/\(kind.rawValue)", Self.summary(of: kind)) { _, context in
                    let store = try await service.existing(context)
                    let rows = try await store.knowledge(kind)
                    return ProjectRoutes.done(
                        store, ["total": .integer(Int64(rows.count)), kind.rawValue: .array(rows.map(JSONValue.object))])
                }
            } + [
                Route(.post, "/v1/memory/projects/{id}/facts", "Keeps a fact that the user marks.", access: .role(.developer)) {
                    request, context in
                    let body = try await request.strict(FactBody.self, context)
                    let store = try await service.existing(context)
                    var fact = try NewFact(["fact": .string(body.fact), "category": .of(body.category)])
                    guard [nil, fact.category].contains(body.category) else {
                        throw ServiceError.invalid(
                            "“category” is one of \(NewFact.categories.joined(separator: ", ")).", parameter: "category")
                    }
                    fact.isMarked = true
                    let isNew = try await store.pool.write { [fact] db in try fact.keep(source: 0, at: store.now(), db) }
                    return ProjectRoutes.done(store, ["new": .bool(isNew)])
                },
                Route(.post, "/v1/memory/projects/{id}/preferences", "Keeps a preference.", access: .role(.developer)) { request, context in
                    let body = try await request.strict(PreferenceBody.self, context)
                    let store = try await service.existing(context)
                    let preference = try NewPreference(["key": .string(body.key), "value": .string(body.value)])
                    try await store.pool.write { db in try preference.keep(source: 0, at: store.now(), db) }
                    return ProjectRoutes.done(store, ["key": .string(preference.key)])
                },
                Route(
                    .delete, "/v1/memory/projects/{id}/{kind}/{entry}", "Forgets a fact, a preference or a summary.",
                    access: .role(.developer)
                ) { _, context in
                    let store = try await service.existing(context)
                    guard let kind = KnowledgeKind(rawValue: try context.part("kind")) else {
                        throw ServiceError.notFound("There are facts, preferences and summaries.")
                    }
                    try await store.forget(kind, try context.part("entry"))
                    return Response(status: .noContent)
                },
                Route(
                    .post, "/v1/memory/projects/{id}/digest",
                    "Has the chat model look for facts and preferences, and sum up days that are over.",
                    access: .role(.developer), stopsWhenClientLeaves: true
                ) { request, context in
                    let store = try await service.existing(context)
                    let stats = try await request.whileClientStays { try await service.digest(of: store).run() }
                    return ProjectRoutes.done(
                        store,
                        [
                            "digest_stats": try JSONValue.encoding(stats),
                            "message": .string("\(stats.conversations) conversations were looked through"),
                        ])
                },
            ]
    }

    private struct FactBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case fact, category }
        let fact: String
        let category: String?
    }

    private struct PreferenceBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case key, value }
        let key: String
        let value: String
    }

    private func recall(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(RecallRequest.self, context)
        let caller = try service.caller(body.user_id, context.caller)
        let query = try MemoryLimits.text(body.query, "query", maxBytes: MemoryLimits.queryBytes)
        let budget = try MemoryLimits.number(body.max_chars, "max_chars", in: Recall.budgets) ?? Recall.budget
        let project = try service.project(body.project_id, caller)
        guard let store = try await service.projects.ifThere(project, for: caller) else {
            // Nothing was saved yet: nothing is remembered.
            return .json(RecallResponse(project_id: project.text, text: "", conversation_ids: [], search_type: "none"))
        }
        return .json(
            try await request.whileClientStays {
                try await Recall(store: store, search: service.search(in: store)).run(query, budget: budget)
            })
    }

    private static func summary(of kind: KnowledgeKind) -> String {
        switch kind {
        case .facts: "What was learnt, each with the conversation it comes from."
        case .preferences: "How the user likes things."
        case .summaries: "Days that were summed up."
        }
    }
}
