import Foundation
import HTTPTypes
import Hummingbird
import ServiceKit
import SuiteAPI
import SystemPackage

/// Projects over HTTP: what there is, what each knows, and the end of one.
struct ProjectRoutes: Sendable {
    let service: MemoryService

    var all: [Route] {
        [
            Route(.get, "/v1/memory/projects", "Projects of the caller; an administrator sees all.", handler: projects),
            Route(
                .delete, "/v1/memory/projects/{id}", "Forgets a whole project; its backups stay.", access: .role(.developer),
                stopsWhenClientLeaves: true, handler: forget),
            Route(.get, "/v1/memory/projects/{id}/stats", "What a project's memory holds, in numbers.") { _, context in
                let store = try await service.existing(context)
                return Self.done(store, ["stats": try JSONValue.encoding(try await store.statistics())])
            },
        ]
    }

    private func projects(_ request: Request, _ context: CallContext) async throws -> Response {
        var rows: [MemoryProject] = []
        let all = try await service.projects.all()
        for store in all.open where store.isOpen(to: context.caller) {
            let statistics = try await store.statistics()
            rows.append(
                MemoryProject(
                    project_id: store.project.text, owner: store.owner, database_path: store.path.string,
                    total_conversations: statistics.total_conversations, avg_importance: statistics.avg_importance,
                    latest_conversation: statistics.latest_conversation, error: nil))
        }
        // Whose a project is stands in its database: of one that cannot be opened only those are told who see all.
        if [.admin, .service].contains(context.caller.role) {
            for (project, reason) in all.broken.sorted(by: { $0.key.text < $1.key.text }) {
                rows.append(
                    MemoryProject(
                        project_id: project.text, owner: nil, database_path: service.projects.path(of: project).string,
                        total_conversations: nil, avg_importance: nil, latest_conversation: nil, error: reason))
            }
        }
        return .json(
            ["success": true, "total_projects": .integer(Int64(rows.count)), "projects": try JSONValue.encoding(rows)] as JSONValue)
    }

    private func forget(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        // The points go first: without the database nobody would know of them.
        do {
            _ = try await service.clients.vectors.deleteCollection(VectorSync.collection(of: store.project))
        } catch let error as UpstreamError where error.status == 404 {
            // Nothing was written yet.
        }
        try await service.projects.forget(store)
        return Response(status: .noContent)
    }

    static func done(_ store: MemoryStore, _ fields: [String: JSONValue]) -> Response {
        .json(JSONValue.object(fields.merging(["success": true, "project_id": .string(store.project.text)]) { given, _ in given }))
    }
}

extension JSONValue {
    static func encoding(_ value: some Encodable) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: JSONEncoder.wire.encode(value))
    }
}
