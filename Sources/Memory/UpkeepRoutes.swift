import Foundation
import HTTPTypes
import Hummingbird
import ServiceKit
import Suite
import SuiteAPI

/// The upkeep of a project's memory over HTTP. It may take as long as it takes: it ends with the caller's patience.
struct UpkeepRoutes: Sendable {
    let service: MemoryService

    var all: [Route] {
        [
            upkeep(.post, "cleanup", "Removes what is past its time.") { store in
                defer { service.sync.wake(store) }
                let removed = try await store.removeExpired()
                return [
                    "deleted_conversations": .integer(Int64(removed)),
                    "message": .string("\(removed) conversations were past their time"),
                ]
            },
            Route(
                .post, "/v1/memory/projects/{id}/sync", "Brings the vector store in step, now.", access: .role(.developer),
                stopsWhenClientLeaves: true, handler: sync),
            upkeep(.post, "sync/retry", "Tries again what could not be written, now.") { store in
                defer { service.sync.wake(store) }
                let due = try await store.retryNow()
                let outcome = try await service.sync.run(store, batch: VectorSyncer.batch)
                return [
                    // Whatever else waited was tried with them.
                    "retry_stats": [
                        "retried": .integer(Int64(outcome.synced + outcome.failed)), "succeeded": .integer(Int64(outcome.synced)),
                        "still_failed": .integer(Int64(outcome.failed)),
                    ], "message": .string("\(due) that had failed were due again"),
                ]
            },
            Route(.get, "/v1/memory/projects/{id}/sync/queue", "What the vector store has yet to be told.") { request, context in
                let store = try await service.existing(context)
                let limit = try request.queryInteger("limit", in: 1...1_000) ?? 100
                let (size, entries) = try await store.queue(limit)
                return ProjectRoutes.done(store, ["queue_size": .integer(Int64(size)), "queue": try JSONValue.encoding(entries)])
            },
            upkeep(.post, "optimize", "Gives room back to the disk.") { store in
                try await store.optimize()
                return ["message": "The database was optimised"]
            },
            upkeep(.post, "fts/rebuild", "Makes the index of words anew.") { store in
                try await store.rebuildIndex()
                return ["message": "The index of words was made anew"]
            },
            upkeep(.get, "check", "Whether conversations, index and vectors agree.") { store in
                let problems = try await service.agreement(of: store)
                return ["agrees": .bool(problems.isEmpty), "problems": .array(problems.map(JSONValue.string))]
            },
            Route(.post, "/v1/memory/vector/recovery", "Looks whether search by meaning is to be had.") { _, _ in
                let problem = await service.vectorProblem()
                return .json(
                    [
                        "success": .bool(problem == nil), "vector_enabled": .bool(problem == nil),
                        "message": .string(problem ?? "Embedding and vector store answer"),
                    ] as JSONValue)
            },
            Route(.get, "/v1/memory/maintenance", "When upkeep ran last, and what came of it.") { _, context in
                // What went wrong names projects, which are not everybody's.
                let isTold = [.admin, .service].contains(context.caller.role)
                let folders = service.settings.dataFolders
                let (beat, state) = try await offPool {
                    (Heartbeat.last(of: .memoryMaintainer, in: folders), MaintenanceState.read(in: folders))
                }
                return .json(
                    [
                        "running": .bool(beat?.isFresh() == true), "heartbeat_at": .of(beat.map { MemoryTime.text($0.at) }),
                        "jobs": .object(
                            state.jobs.reduce(into: [:]) { jobs, entry in
                                let run = entry.value
                                jobs[entry.key.rawValue] = [
                                    "began_at": .string(MemoryTime.text(run.beganAt)), "ended_at": .of(run.endedAt.map(MemoryTime.text)),
                                    "succeeded_at": .of(run.succeededAt.map(MemoryTime.text)), "failures": .of(run.failures),
                                    "detail": isTold ? .string(run.detail) : .null,
                                ]
                            }),
                    ] as JSONValue)
            },
        ]
    }

    /// A route that works on one project as it is, whatever the body says.
    private func upkeep(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String,
        work: @escaping @Sendable (MemoryStore) async throws -> [String: JSONValue]
    ) -> Route {
        Route(
            method, "/v1/memory/projects/{id}/\(path)", summary, access: .role(.developer), stopsWhenClientLeaves: true
        ) { request, context in
            let store = try await service.existing(context)
            return ProjectRoutes.done(store, try await request.whileClientStays { try await work(store) })
        }
    }

    private struct SyncBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case sync_type, batch_size, anew }
        let sync_type: String?
        /// Whether what the store holds is thrown away and written once more.
        let anew: Bool?
        let batch_size: Int?
    }

    private func sync(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let body = try await request.strict(SyncBody.self, context)
        guard ["qdrant", nil].contains(body.sync_type) else {
            throw ServiceError.badRequest("“sync_type” is qdrant; there is no other.", code: "unknown_sync_type", parameter: "sync_type")
        }
        let batch = try MemoryLimits.number(body.batch_size, "batch_size", in: 1...128) ?? VectorSyncer.batch
        // What this leaves over, whoever stops it, is gone on with.
        defer { service.sync.wake(store) }
        let outcome = try await request.whileClientStays {
            try await service.sync.run(store, batch: batch, anew: body.anew ?? false)
        }
        return ProjectRoutes.done(
            store,
            [
                "sync_stats": try JSONValue.encoding(outcome),
                "message": .string("\(outcome.synced) vectors written, \(outcome.deleted) removed, \(outcome.failed) refused"),
            ])
    }
}
