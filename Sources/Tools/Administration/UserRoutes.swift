import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit

/// Users over HTTP: what `maru user` does, by the same functions. A change counts with the next call of whoever it is about.
struct UserRoutes: Sendable {
    let administration: Administration
    let mcp: MCPServer

    var all: [Route] {
        [
            Route(.get, "/security/users", "Users and their roles.", access: .role(.admin)) { _, _ in
                .json(["success": true, "users": try JSONValue.of(try await administration.directory.users())] as JSONValue)
            },
            Route(.post, "/security/users", "Adds a user with a role.", access: .role(.admin), handler: add),
            Route(.get, "/security/users/{user_id}", "One user.", access: .role(.admin)) { _, context in
                try await answer(try context.part("user_id"))
            },
            Route(
                .patch, "/security/users/{user_id}", "Gives a user another name or role, shuts one out or lets one in again.",
                access: .role(.admin), handler: change),
            Route(.delete, "/security/users/{user_id}", "Removes a user and all keys of theirs.", access: .role(.admin), handler: remove),
        ]
    }

    private struct Addition: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case user_id, username, role }
        let user_id: String
        let username: String?
        let role: String
    }

    private struct Change: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case username, role, is_active }
        let username: String?
        let role: String?
        let is_active: Bool?

        /// The change in words; `nil` where there is none.
        var words: String? {
            let parts = [
                username.map { "named “\($0.prefix(128))”" }, role.map { "given role \($0.prefix(64))" },
                is_active.map { $0 ? "enabled" : "disabled" },
            ].compactMap { $0 }
            return parts.isEmpty ? nil : parts.joined(separator: ", ")
        }
    }

    private func add(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(Addition.self, context)
        let (id, directory) = (body.user_id, administration.directory)
        try await administration.change(
            "user \(id.prefix(64)) added with role \(body.role.prefix(64))", by: context.administrator
        ) { try await directory.addUser(id, name: body.username ?? id, role: body.role) }
        return try await answer(id, status: .created)
    }

    private func change(_ request: Request, _ context: CallContext) async throws -> Response {
        let id = try context.part("user_id")
        let body = try await request.strict(Change.self, context)
        guard let words = body.words else {
            throw ServiceError.invalid("Nothing is to be changed; give username, role or is_active.")
        }
        let directory = administration.directory
        try await administration.change("user \(id.prefix(64)) \(words)", by: context.administrator) {
            try await directory.changeUser(id, name: body.username, role: body.role, isActive: body.is_active)
        }
        if body.is_active == false { await mcp.endSessions(of: id) }
        return try await answer(id)
    }

    private func remove(_ request: Request, _ context: CallContext) async throws -> Response {
        let (id, directory) = (try context.part("user_id"), administration.directory)
        try await administration.change("user \(id.prefix(64)) removed", by: context.administrator) {
            try await directory.removeUser(id)
        }
        await mcp.endSessions(of: id)
        return Response(status: .noContent)
    }

    private func answer(_ id: String, status: HTTPResponse.Status = .ok) async throws -> Response {
        let user = try JSONValue.of(try await administration.directory.user(id))
        return .json(["success": true, "user": user] as JSONValue, status: status)
    }
}
