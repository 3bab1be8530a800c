import Foundation
import GRDB
import Logging
import ServiceKit
import ServiceLifecycle
import Suite

/// Which records are asked for.
public struct AuditFilter: Sendable {
    public var user: String?
    public var tool: String?
    public var action: String?
    public var status: String?
    public var session: String?
    public var limit: Int
    public var offset: Int

    public init(
        user: String? = nil, tool: String? = nil, action: String? = nil, status: String? = nil, session: String? = nil, limit: Int = 100,
        offset: Int = 0
    ) {
        self.user = user
        self.tool = tool
        self.action = action
        self.status = status
        self.session = session
        self.limit = limit
        self.offset = offset
    }
}

/// Counts over some hours.
public struct AuditStatistics: Sendable, Codable {
    public let total_requests: Int
    public let success_count: Int
    public let denied_count: Int
    public let error_count: Int
    /// Share of calls that were let through and succeeded; `nil` without any.
    public let success_rate: Double?
    public let hours: Int
}

extension AuditLog {
    /// Records, newest first.
    public nonisolated func list(_ filter: AuditFilter) async throws -> [AuditEntry] {
        let columns = [
            ("user_id", filter.user), ("tool_name", filter.tool), ("action", filter.action), ("status", filter.status),
            ("session_id", filter.session),
        ]
        let given = columns.compactMap { name, value in value.map { (name, $0) } }
        let condition = given.isEmpty ? "" : "WHERE " + given.map { "\($0.0) = ?" }.joined(separator: " AND ")
        let arguments = StatementArguments(given.map(\.1)) + [filter.limit, filter.offset]
        return try await database.pool.read { db in
            try AuditEntry.fetchAll(
                db, sql: "SELECT * FROM security_audit_logs \(condition) ORDER BY log_id DESC LIMIT ? OFFSET ?", arguments: arguments)
        }
    }

    public nonisolated func statistics(hours: Int) async throws -> AuditStatistics {
        let since = Date.now.addingTimeInterval(-Double(hours) * 3_600).sqlText
        return try await database.pool.read { db in
            func count(_ condition: String) throws -> Int {
                try Int.fetchOne(
                    db, sql: "SELECT COUNT(*) FROM security_audit_logs WHERE timestamp >= ? AND \(condition)", arguments: [since]) ?? 0
            }
            let success = try count("action = 'execute' AND status = 'success'")
            let denied = try count("action = 'access' AND status != 'allowed'")
            let failed = try count("action = 'execute' AND status != 'success'")
            let total = success + denied + failed
            return AuditStatistics(
                total_requests: total, success_count: success, denied_count: denied, error_count: failed,
                success_rate: total == 0 ? nil : Double(success) / Double(total), hours: hours)
        }
    }

    /// What was run and what was refused in each session of a client since some time.
    public nonisolated func sessions(since start: Date) async throws -> [String: (executions: Int, denials: Int)] {
        // A little earlier: the clock that stamps records is read a moment before or after.
        let since = start.addingTimeInterval(-1).sqlText
        return try await database.pool.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT session_id, sum(action = 'execute') AS executions, sum(status = 'denied') AS denials FROM security_audit_logs
                    WHERE timestamp >= ? AND session_id IS NOT NULL GROUP BY session_id
                    """, arguments: [since])
            var counts: [String: (executions: Int, denials: Int)] = [:]
            for row in rows { counts[row["session_id"]] = (row["executions"], row["denials"]) }
            return counts
        }
    }

    /// Drops records older than the time they are kept for, from the front, some at a time so that nobody waits for it.
    ///
    /// - Returns: how many were dropped.
    @discardableResult
    public nonisolated func prune(olderThan age: Duration) async throws -> Int {
        let limit = Date.now.addingTimeInterval(-age.seconds).sqlText
        var dropped = 0
        while true {
            let count = try await database.pool.write { [anchor] db in
                let old = try Row.fetchAll(
                    db, sql: "SELECT log_id, hash FROM security_audit_logs WHERE timestamp < ? ORDER BY log_id LIMIT 2000",
                    arguments: [limit])
                // A clock that was set back leaves records out of order: only an unbroken front goes.
                guard let last = old.last, let first = try Int64.fetchOne(db, sql: "SELECT MIN(log_id) FROM security_audit_logs"),
                    old.first?["log_id"] == first, Int64(old.count) == (last["log_id"] as Int64) - first + 1
                else { return 0 }
                let (id, hash): (Int64, Data) = (last["log_id"], last["hash"])
                try db.execute(sql: "DELETE FROM security_audit_logs WHERE log_id <= ?", arguments: [id])
                try db.execute(
                    sql: "UPDATE security_audit_head SET pruned_id = ?, pruned_hash = ?, pruned_signature = ?",
                    arguments: [id, hash, anchor.signature(ofPruned: id, hash)])
                return old.count
            }
            guard count > 0 else { return dropped }
            dropped += count
        }
    }
}

/// Keeps the audit log to its retention, once an hour.
public struct AuditRetention: Service {
    private let audit: AuditLog
    private let age: Duration
    private let logger: Logger

    public init(_ audit: AuditLog, settings: Settings, logger: Logger) {
        self.audit = audit
        age = .seconds(settings[SettingKeys.auditRetentionDays] * 86_400)
        self.logger = logger
    }

    public func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                do {
                    let dropped = try await audit.prune(olderThan: age)
                    if dropped > 0 { logger.info("audit records past their retention dropped", metadata: ["count": "\(dropped)"]) }
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    logger.error("the audit log could not be pruned", metadata: ["cause": "\(error)"])
                }
                try await Task.sleep(for: .seconds(3_600))
            }
        }
        try await audit.seal()
    }
}
