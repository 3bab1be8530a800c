import Foundation
import HTTPTypes
import Hummingbird
import ServiceKit
import SuiteAPI
import SystemPackage

/// Projects over HTTP: what there is, and the upkeep of each.
struct ProjectRoutes: Sendable {
    let service: MemoryService

    var all: [Route] {
        [
            Route(.get, "/v1/memory/projects", "Projects of the caller; an administrator sees all.", handler: projects),
            Route(.get, "/v1/memory/projects/{id}/stats", "What a project's memory holds, in numbers.") { _, context in
                let store = try await service.existing(context)
                return Self.done(store, ["stats": try JSONValue.encoding(try await store.statistics())])
            },
            Route(.post, "/v1/memory/projects/{id}/cleanup", "Removes what is past its time.") { _, context in
                let store = try await service.existing(context)
                let removed = try await store.removeExpired()
                service.sync.wake()
                return Self.done(
                    store,
                    [
                        "deleted_conversations": .integer(Int64(removed)),
                        "message": .string("\(removed) conversations were past their time"),
                    ])
            },
            Route(.post, "/v1/memory/projects/{id}/sync", "Brings the vector store in step, now.", handler: sync),
            Route(.post, "/v1/memory/projects/{id}/sync/retry", "Tries again what could not be written, now.") { _, context in
                let store = try await service.existing(context)
                let retried = try await store.retryNow()
                let outcome = try await service.sync.run(store, batch: VectorSyncer.batch)
                return Self.done(
                    store,
                    [
                        "retry_stats": [
                            "retried": .integer(Int64(retried)), "succeeded": .integer(Int64(outcome.synced)),
                            "still_failed": .integer(Int64(outcome.failed)),
                        ], "message": .string("\(retried) were due again"),
                    ])
            },
            Route(.get, "/v1/memory/projects/{id}/sync/queue", "What the vector store has yet to be told.") { request, context in
                let store = try await service.existing(context)
                let limit = try request.queryInteger("limit", in: 1...1_000) ?? 100
                let (size, entries) = try await store.queue(limit)
                return Self.done(store, ["queue_size": .integer(Int64(size)), "queue": try JSONValue.encoding(entries)])
            },
            Route(.post, "/v1/memory/projects/{id}/optimize", "Gives room back to the disk.") { _, context in
                let store = try await service.existing(context)
                try await store.optimize()
                return Self.done(store, ["message": "The database was optimised"])
            },
            Route(.post, "/v1/memory/projects/{id}/fts/rebuild", "Makes the index of words anew.") { _, context in
                let store = try await service.existing(context)
                try await store.rebuildIndex()
                return Self.done(store, ["message": "The index of words was made anew"])
            },
            Route(.get, "/v1/memory/projects/{id}/check", "Whether conversations, index and vectors agree.") { _, context in
                let store = try await service.existing(context)
                let found = try await service.agreement(of: store)
                return Self.done(
                    store,
                    [
                        "agrees": .bool(found.isEmpty), "problems": .array(found.map(JSONValue.string)),
                    ])
            },
            Route(.post, "/v1/memory/vector/recovery", "Looks whether search by meaning is to be had.") { _, _ in
                let problem = await service.vectorProblem()
                return .json(
                    [
                        "success": .bool(problem == nil), "vector_enabled": .bool(problem == nil),
                        "message": .string(problem ?? "Embedding and vector store answer"),
                    ] as JSONValue)
            },
        ]
    }

    private func projects(_ request: Request, _ context: CallContext) async throws -> Response {
        var rows: [JSONValue] = []
        for store in try await service.projects.all() where store.isOpen(to: context.caller) {
            let statistics = try await store.statistics()
            rows.append([
                "project_id": .string(store.project.text), "owner": .string(store.owner), "database_path": .string(store.path.string),
                "total_conversations": .integer(Int64(statistics.total_conversations)),
                "avg_importance": statistics.avg_importance.map(JSONValue.number) ?? .null,
                "latest_conversation": .of(statistics.latest_conversation),
            ])
        }
        return .json(["success": true, "total_projects": .integer(Int64(rows.count)), "projects": .array(rows)] as JSONValue)
    }

    private struct SyncBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case sync_type, batch_size }
        let sync_type: String?
        let batch_size: Int?
    }

    private func sync(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let body = try await request.strict(SyncBody.self, context)
        guard ["qdrant", nil].contains(body.sync_type) else {
            throw ServiceError.badRequest("“sync_type” is qdrant; there is no other.", code: "unknown_sync_type", parameter: "sync_type")
        }
        let batch = try MemoryLimits.number(body.batch_size, "batch_size", in: 1...128) ?? VectorSyncer.batch
        let outcome = try await service.sync.run(store, batch: batch)
        return Self.done(
            store,
            [
                "sync_stats": try JSONValue.encoding(outcome),
                "message": .string("\(outcome.synced) vectors written, \(outcome.deleted) removed, \(outcome.failed) refused"),
            ])
    }

    private static func done(_ store: MemoryStore, _ fields: [String: JSONValue]) -> Response {
        .json(JSONValue.object(fields.merging(["success": true, "project_id": .string(store.project.text)]) { given, _ in given }))
    }
}

extension JSONValue {
    static func encoding(_ value: some Encodable) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: JSONEncoder.wire.encode(value))
    }
}
