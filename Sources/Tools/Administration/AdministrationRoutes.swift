import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit
import Suite

/// What administrators see and change: users, roles, keys, sessions, settings and the audit log.
struct AdministrationRoutes: Sendable {
    let administration: Administration
    let calls: ToolCalls
    let mcp: MCPServer
    let settings: Settings

    private var audit: AuditLog { administration.audit }

    var all: [Route] {
        [statistics] + UserRoutes(administration: administration, mcp: mcp).all + RoleRoutes(administration: administration).all
            + KeyRoutes(administration: administration).all + SessionRoutes(administration: administration, mcp: mcp).all
            + CallRoutes(calls: calls).all + [guards] + AuditRoutes(audit: audit).all
    }

    private var statistics: Route {
        Route(.get, "/security/stats", "Calls of the last 24 hours, counted, and the latest records.", access: .role(.admin)) { _, _ in
            let counts = try await audit.statistics(hours: 24)
            return .json(
                Envelope(
                    stats: .init(
                        total_events: counts.total_requests, security_violations: counts.denied_count,
                        code_executions: counts.success_count, errors: counts.error_count, active_sessions: await mcp.sessions.count,
                        recent_events: try await audit.list(AuditFilter(limit: 10)))))
        }
    }

    /// They are changed in `.env`, by whoever runs the stack, and count from the next start on: there is no route that would seem to.
    private var guards: Route {
        Route(.get, "/security/settings", "The settings that guard tools.", access: .role(.admin)) { _, _ in
            let flags = [
                SettingKeys.rbacEnabled, SettingKeys.approvalEnabled, SettingKeys.rateLimitEnabled, SettingKeys.sandboxEnabled,
            ]
            var members: [String: JSONValue] = [:]
            for flag in flags { members[flag.name] = .bool(settings[flag]) }
            members[SettingKeys.securityMode.name] = .string(settings[SettingKeys.securityMode].rawValue)
            func number(_ key: Setting<Int>) -> JSONValue { .integer(Int64(settings[key])) }
            members["security_level"] = .string(settings[SettingKeys.securityMode].rawValue)
            members["resource_limits"] = [
                "max_memory_mb": number(SettingKeys.sandboxMemory), "max_cpu_time_sec": number(SettingKeys.sandboxCPUTime),
                "max_output_size": number(SettingKeys.sandboxOutput), "max_file_size": number(SettingKeys.sandboxFileSize),
                "max_processes": number(SettingKeys.sandboxProcesses), "network_access": false,
            ]
            members["session_limits"] = [
                "max_sessions": number(SettingKeys.mcpMaxSessions), "session_timeout": number(SettingKeys.mcpSessionTimeout),
            ]
            return .json(["success": true, "settings": .object(members)] as JSONValue)
        }
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
