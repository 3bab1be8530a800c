import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit

/// Keys over HTTP: what `maru key` does, by the same functions. A key is told once, in an answer that nobody on the way may keep.
struct KeyRoutes: Sendable {
    let administration: Administration

    var all: [Route] {
        [
            Route(
                .get, "/security/keys", "Keys by their prefixes, and when each was last used; the keys themselves are told once.",
                access: .role(.admin)
            ) { _, _ in
                .json(["success": true, "keys": try JSONValue.of(try await administration.directory.keys())] as JSONValue)
            },
            Route(.post, "/security/keys", "Makes a key for a user and tells it, this once.", access: .role(.admin), handler: issue),
            Route(
                .patch, "/security/keys/{prefix}", "Has chats with a key use memory, or no longer.", access: .role(.admin), handler: change),
            Route(
                .post, "/security/keys/{prefix}/rotate", "Makes a new key in the place of one, which may go on for a while.",
                access: .role(.admin), handler: rotate),
            Route(.delete, "/security/keys/{prefix}", "Revokes a key at once.", access: .role(.admin), handler: revoke),
        ]
    }

    private struct Issue: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case user_id, name, expires_in_days, memory }
        let user_id: String
        let name: String?
        let expires_in_days: Int?
        let memory: Bool?
    }

    private struct Change: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case memory }
        let memory: Bool
    }

    private struct Rotation: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case grace_seconds }
        let grace_seconds: Int?
    }

    private func issue(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(Issue.self, context)
        let days = try Self.bounded(body.expires_in_days, "expires_in_days", in: 1...36_500)
        let (name, memory, directory) = (body.name ?? "key", body.memory ?? false, administration.directory)
        let key = try await administration.change(
            "key “\(name.prefix(128))”\(memory ? " with memory" : "") made for \(body.user_id.prefix(64))", by: context.administrator,
            outcome: { ": \($0.prefix)" }
        ) { try await directory.issueKey(for: body.user_id, name: name, lifetime: days.map { .seconds($0 * 86_400) }, memory: memory) }
        return try Self.told(key)
    }

    private func change(_ request: Request, _ context: CallContext) async throws -> Response {
        let prefix = try context.part("prefix")
        let memory = try await request.strict(Change.self, context).memory
        let directory = administration.directory
        let key = try await administration.change(
            "key \(Directory.shown(prefix)) given memory \(memory ? "on" : "off")", by: context.administrator
        ) { try await directory.setMemory(memory, ofKey: prefix) }
        return .json(["success": true, "key": try JSONValue.of(key)] as JSONValue)
    }

    private func rotate(_ request: Request, _ context: CallContext) async throws -> Response {
        let prefix = try context.part("prefix")
        let body = try await request.strict(Rotation.self, context)
        let longest = Int(Directory.longestGrace.components.seconds)
        let grace = try Self.bounded(body.grace_seconds, "grace_seconds", in: 0...longest) ?? 0
        let directory = administration.directory
        let key = try await administration.change(
            "key \(Directory.shown(prefix)) rotated, the old one good for \(grace)s", by: context.administrator,
            outcome: { ": \($0.prefix)" }
        ) { try await directory.rotateKey(prefix, grace: .seconds(grace)) }
        return try Self.told(key)
    }

    private func revoke(_ request: Request, _ context: CallContext) async throws -> Response {
        let (prefix, directory) = (try context.part("prefix"), administration.directory)
        try await administration.change("key \(Directory.shown(prefix)) revoked", by: context.administrator) {
            try await directory.revokeKey(prefix)
        }
        return Response(status: .noContent)
    }

    private static func told(_ key: NewKey) throws -> Response {
        .json(["success": true, "key": try JSONValue.of(key)] as JSONValue, status: .created, headers: [.cacheControl: "no-store"])
    }

    private static func bounded(_ value: Int?, _ field: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value else { return nil }
        guard range.contains(value) else {
            throw ServiceError.invalid("“\(field)” is from \(range.lowerBound) to \(range.upperBound).", parameter: field)
        }
        return value
    }
}
