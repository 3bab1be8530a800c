import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit

/// The audit log over HTTP: read, and walked. Nothing here writes it.
struct AuditRoutes: Sendable {
    let audit: AuditLog

    var all: [Route] {
        [
            Route(.get, "/security/logs/audit", "Records of the audit log, newest first.", access: .role(.admin)) { request, _ in
                let filter = AuditFilter(
                    user: request.queryText("user_id"), tool: request.queryText("tool_name"), action: request.queryText("event_type"),
                    status: request.queryText("status"), session: request.queryText("session_id"),
                    limit: try request.queryInteger("limit", in: 1...1_000) ?? 100,
                    offset: try request.queryInteger("offset", in: 0...1_000_000_000) ?? 0)
                let logs = try await audit.list(filter)
                return .json(
                    [
                        "success": true, "logs": try JSONValue.of(logs), "total": .integer(Int64(logs.count)),
                        "filters": [
                            "limit": .integer(Int64(filter.limit)), "user_id": filter.user.json, "tool_name": filter.tool.json,
                            "event_type": filter.action.json, "status": filter.status.json, "session_id": filter.session.json,
                        ],
                    ] as JSONValue)
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
}
