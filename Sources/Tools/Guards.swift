import Logging
import Security
import ServiceLifecycle
import Suite

/// Everything that stands between a caller and a tool.
public struct Guards: Sendable {
    let database: SecurityDatabase
    let directory: Directory
    let permissions: Permissions
    let audit: AuditLog
    let approvals: Approvals
    let limiter: RateLimiter
    /// The names of guards that the settings turn off.
    let turnedOff: [String]
    let companions: [any Service]

    /// - Throws: when a secret cannot be read or made, or a mail setting cannot be understood.
    public init(_ database: SecurityDatabase, identities: Identities, settings: Settings, logger: Logger) throws {
        self.database = database
        directory = Directory(database)
        permissions = Permissions(identities, settings: settings)
        audit = try AuditLog(database, settings: settings)
        approvals = Approvals(database: database.writer, settings: settings, directory: permissions)
        limiter = RateLimiter(isEnabled: settings[SettingKeys.rateLimitEnabled])
        turnedOff = [SettingKeys.rbacEnabled, SettingKeys.approvalEnabled, SettingKeys.rateLimitEnabled, SettingKeys.sandboxEnabled]
            .filter { !settings[$0] }.map(\.name)
        let outbox = try Outbox(database: database.writer, settings: settings, logger: logger)
        companions =
            [ApprovalSweeper(approvals, logger: logger), AuditRetention(audit, settings: settings, logger: logger)]
            + (outbox.map { [$0] } ?? [])
    }

    /// Anchors the audit log: what a process that runs no ``companions`` does before it ends.
    public func seal() async throws { try await audit.seal() }
}
