import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit

/// Sessions of MCP clients that began with a handshake: whose they are, how old, and their end.
struct SessionRoutes: Sendable {
    let administration: Administration
    let mcp: MCPServer

    var all: [Route] {
        [
            Route(
                .get, "/security/sessions", "Open sessions of MCP clients: whose, how old, what was called in them.", access: .role(.admin)
            ) {
                _, _ in
                let rows = try await rows(await mcp.sessions.all())
                return .json(["success": true, "sessions": .array(rows), "total_sessions": .integer(Int64(rows.count))] as JSONValue)
            },
            Route(.get, "/security/sessions/{session_id}", "One session.", access: .role(.admin)) { _, context in
                let session = try await mcp.sessions.find(try context.part("session_id"))
                return .json(["success": true, "session": try await rows([session]).first ?? .null] as JSONValue)
            },
            Route(.delete, "/security/sessions/{session_id}", "Ends a session and what runs in it.", access: .role(.admin)) { _, context in
                let id = try context.part("session_id")
                let session = try await mcp.sessions.find(id)
                // The log names the session by its beginning: a whole id is for whoever it belongs to.
                try await administration.change("session \(id.prefix(8))… of \(session.owner) ended", by: context.administrator) {
                    [mcp] in await mcp.endSession(id)
                }
                return Response(status: .noContent)
            },
            Route(.post, "/security/sessions/cleanup", "Ends sessions that were silent for MCP_SESSION_TIMEOUT.", access: .role(.admin)) {
                _, _ in
                let (before, after) = await mcp.sessions.cleanUp()
                return .json(
                    [
                        "success": true,
                        "cleanup_result": [
                            "sessions_before": .integer(Int64(before)), "sessions_after": .integer(Int64(after)),
                            "cleaned_up": .integer(Int64(before - after)),
                        ],
                    ] as JSONValue)
            },
        ]
    }

    private func rows(_ sessions: [MCPSessions.Session]) async throws -> [JSONValue] {
        guard let first = sessions.map(\.opened).min() else { return [] }
        let counts = try await administration.audit.sessions(since: first)
        let now = Date.now
        return sessions.map { session in
            let count = counts[session.id]
            return [
                "session_id": .string(session.id), "user_id": .string(session.owner),
                "protocol_version": .string(session.revision.rawValue),
                "created_at": .string(session.opened.formatted(.iso8601)), "last_activity": .string(session.lastUse.formatted(.iso8601)),
                "age_seconds": .integer(Int64(max(0, now.timeIntervalSince(session.opened)))),
                "idle_seconds": .integer(Int64(max(0, now.timeIntervalSince(session.lastUse)))),
                "execution_count": .integer(Int64(count?.executions ?? 0)), "security_violations": .integer(Int64(count?.denials ?? 0)),
                "is_active": true,
            ]
        }
    }
}
