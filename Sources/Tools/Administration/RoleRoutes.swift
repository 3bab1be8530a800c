import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit

/// Roles over HTTP: what `maru role` does, by the same functions.
struct RoleRoutes: Sendable {
    let administration: Administration

    var all: [Route] {
        [
            Route(.get, "/security/roles", "Roles and what they grant.", access: .role(.admin)) { _, _ in
                .json(["success": true, "roles": try JSONValue.of(try await administration.directory.roles())] as JSONValue)
            },
            Route(.post, "/security/roles", "Makes a role with the tools it grants.", access: .role(.admin), handler: add),
            Route(.get, "/security/roles/{role}", "One role.", access: .role(.admin)) { _, context in
                try await answer(try context.part("role"))
            },
            Route(
                .patch, "/security/roles/{role}", "Grants a role tools, takes tools from it, or describes it anew.", access: .role(.admin),
                handler: change),
            Route(.delete, "/security/roles/{role}", "Removes a role that nobody has.", access: .role(.admin), handler: remove),
        ]
    }

    private struct Addition: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case role, description, permissions }
        let role: String
        let description: String?
        let permissions: [String]?
    }

    private struct Change: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case description, grant, revoke }
        let description: String?
        let grant: [String]?
        let revoke: [String]?

        var words: String? {
            let parts = [
                description.map { _ in "described anew" }, grant.map { "granted \(RoleRoutes.list($0))" },
                revoke.map { "loses \(RoleRoutes.list($0))" },
            ].compactMap { $0 }
            return parts.isEmpty ? nil : parts.joined(separator: ", ")
        }
    }

    private func add(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(Addition.self, context)
        let permissions = try Self.bounded(body.permissions ?? [], "permissions")
        let (administrator, directory) = (context.administrator, administration.directory)
        try await administration.change(
            "role \(body.role.prefix(64)) added with \(Self.list(permissions))", by: administrator
        ) {
            try await directory.addRole(
                body.role, description: body.description ?? "", permissions: permissions, by: administrator.id)
        }
        return try await answer(body.role, status: .created)
    }

    private func change(_ request: Request, _ context: CallContext) async throws -> Response {
        let role = try context.part("role")
        let body = try await request.strict(Change.self, context)
        let (grant, revoke) = (try Self.bounded(body.grant ?? [], "grant"), try Self.bounded(body.revoke ?? [], "revoke"))
        guard let words = body.words else {
            throw ServiceError.invalid("Nothing is to be changed; give description, grant or revoke.")
        }
        let (administrator, directory) = (context.administrator, administration.directory)
        try await administration.change("role \(role.prefix(64)) \(words)", by: administrator) {
            try await directory.changeRole(
                role, description: body.description, grant: grant, revoke: revoke, by: administrator.id)
        }
        return try await answer(role)
    }

    private func remove(_ request: Request, _ context: CallContext) async throws -> Response {
        let (role, directory) = (try context.part("role"), administration.directory)
        try await administration.change("role \(role.prefix(64)) removed", by: context.administrator) {
            try await directory.removeRole(role)
        }
        return Response(status: .noContent)
    }

    private func answer(_ role: String, status: HTTPResponse.Status = .ok) async throws -> Response {
        let found = try JSONValue.of(try await administration.directory.role(role))
        return .json(["success": true, "role": found] as JSONValue, status: status)
    }

    private static func bounded(_ permissions: [String], _ field: String) throws -> [String] {
        guard permissions.count <= 256 else { throw ServiceError.tooLarge("“\(field)” has 256 entries at the most.", parameter: field) }
        return permissions
    }

    private static func list(_ permissions: [String]) -> String {
        permissions.isEmpty ? "nothing" : String(permissions.joined(separator: ", ").prefix(2_000))
    }
}
