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
                .delete, "/v1/memory/projects/{id}", "Forgets a whole project; its backups stay, for administrators.",
                access: .role(.developer),
                stopsWhenClientLeaves: true, handler: forget),
            Route(.get, "/v1/memory/projects/{id}/stats", "What a project's memory holds, in numbers.") { _, context in
                let store = try await service.existing(context)
                return Self.done(store, ["stats": try JSONValue.encoding(try await store.statistics())])
            },
        ]
    }

    private func projects(_ request: Request, _ context: CallContext) async throws -> Response {
        var rows: [MemoryProject] = []
        for project in try await service.projects.ids() {
            let path = service.projects.path(of: project).string
            do {
                guard let store = try await service.projects.current(project),
                    service.projects.isOpen(project, of: store.owner, to: context.caller)
                else { continue }
                let statistics = try await store.statistics()
                rows.append(
                    MemoryProject(
                        project_id: project.text, owner: store.owner, database_path: path,
                        total_conversations: statistics.total_conversations, avg_importance: statistics.avg_importance,
                        latest_conversation: statistics.latest_conversation, error: nil))
            } catch  where Projects.isForgotten(error) {
                continue
            } catch  where !(error is CancellationError) {
                // Whose a project is stands in its database: of one that cannot be opened only those are told who see all.
                guard [.admin, .service].contains(context.caller.role) else { continue }
                rows.append(
                    MemoryProject(
                        project_id: project.text, owner: nil, database_path: path, total_conversations: nil, avg_importance: nil,
                        latest_conversation: nil, error: "\(error)"))
            }
        }
        return .json(
            ["success": true, "total_projects": .integer(Int64(rows.count)), "projects": try JSONValue.encoding(rows)] as JSONValue)
    }

    private func forget(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        // While nothing writes vectors, which would be of nobody afterwards.
        try await service.sync.exclusively(store) {
            // The points go first: without the database nobody would know of them.
            do {
                _ = try await service.clients.vectors.deleteCollection(VectorSync.collection(of: store.project))
            } catch let error as UpstreamError where error.status == 404 {
                // Nothing was written yet.
            }
            try await service.projects.forget(store)
        }
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
