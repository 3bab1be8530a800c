import Foundation
import Hummingbird
import Security
import ServiceKit
import Suite

/// What administrators see of identities, settings and the audit log. Changes of users, roles and keys are made by commands.
struct AdministrationRoutes: Sendable {
    let directory: Directory
    let audit: AuditLog
    let mcp: MCPServer
    let settings: Settings

    var all: [Route] {
        [
            Route(.get, "/security/stats", "Calls of the last 24 hours, counted, and the latest records.", access: .role(.admin)) {
                _, _ in
                let counts = try await audit.statistics(hours: 24)
                return .json(
                    Envelope(
                        stats: .init(
                            total_events: counts.total_requests, security_violations: counts.denied_count,
                            code_executions: counts.success_count, errors: counts.error_count, active_sessions: await mcp.sessions.count,
                            recent_events: try await audit.list(AuditFilter(limit: 10)))))
            },
            Route(.get, "/security/users", "Users and their roles.", access: .role(.admin)) { _, _ in
                .json(["success": true, "users": try JSONValue.of(try await directory.users())] as JSONValue)
            },
            Route(.get, "/security/roles", "Roles and what they grant.", access: .role(.admin)) { _, _ in
                .json(["success": true, "roles": try JSONValue.of(try await directory.roles())] as JSONValue)
            },
            Route(
                .get, "/security/keys", "Keys by their prefixes; the keys themselves are told once, when they are made.",
                access: .role(.admin)
            ) {
                _, _ in .json(["success": true, "keys": try JSONValue.of(try await directory.keys())] as JSONValue)
            },
            Route(.get, "/security/settings", "The settings that guard tools.", access: .role(.admin)) { _, _ in
                let flags = [
                    SettingKeys.rbacEnabled, SettingKeys.approvalEnabled, SettingKeys.rateLimitEnabled, SettingKeys.sandboxEnabled,
                ]
                var members: [String: JSONValue] = [:]
                for flag in flags { members[flag.name] = .bool(settings[flag]) }
                members[SettingKeys.securityMode.name] = .string(settings[SettingKeys.securityMode].rawValue)
                return .json(["success": true, "settings": .object(members)] as JSONValue)
            },
            Route(.get, "/security/logs/audit", "Records of the audit log, newest first.", access: .role(.admin)) { request, _ in
                let query = request.uri.queryParameters
                let filter = AuditFilter(
                    user: query["user_id"].map(String.init), tool: query["tool_name"].map(String.init),
                    action: query["event_type"].map(String.init), status: query["status"].map(String.init),
                    limit: try request.queryInteger("limit", in: 1...1_000) ?? 100,
                    offset: try request.queryInteger("offset", in: 0...1_000_000_000) ?? 0)
                let logs = try await audit.list(filter)
                return .json(["success": true, "logs": try JSONValue.of(logs), "total": .integer(Int64(logs.count))] as JSONValue)
            },
            Route(.get, "/security/audit/verify", "Walks the audit log's chain and says where it breaks.", access: .role(.admin)) { _, _ in
                let verdict = try await audit.verify()
                return .json(
                    [
                        "success": true, "intact": .bool(verdict.problem == nil), "records": .integer(Int64(verdict.records)),
                        "problem": verdict.problem.map { .string("\($0)") } ?? .null,
                    ] as JSONValue)
            },
        ]
    }

    private struct Envelope: Encodable {
        struct Statistics: Encodable {
            let total_events: Int
            let security_violations: Int
            let code_executions: Int
            let errors: Int
            let active_sessions: Int
            let recent_events: [AuditEntry]
        }
        let success = true
        let stats: Statistics
    }
}

extension JSONValue {
    /// Whatever can be encoded, as JSON.
    static func of(_ value: some Encodable) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: try JSONEncoder.wire.encode(value))
    }
}
