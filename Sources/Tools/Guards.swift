import Logging
import Security
import ServiceLifecycle
import Suite

/// Everything that stands between a caller and a tool.
public struct Guards: Sendable {
    public let database: SecurityDatabase
    public let identities: Identities
    let directory: Directory
    let permissions: Permissions
    let audit: AuditLog
    let approvals: Approvals
    let limiter: RateLimiter
    /// The names of guards that the settings turn off.
    let turnedOff: [String]
    let companions: [any Service]

    /// - Throws: when the security database cannot be opened, or a mail setting cannot be understood.
    public init(settings: Settings, logger: Logger) async throws {
        database = try await SecurityDatabase.open(settings)
        identities = Identities(database)
        directory = Directory(database)
        permissions = Permissions(identities, settings: settings)
        audit = try AuditLog(database, settings: settings)
        approvals = Approvals(database: database.writer, settings: settings, directory: permissions)
        limiter = RateLimiter(isEnabled: settings[SettingKeys.rateLimitEnabled])
        let guards = [
            SettingKeys.rbacEnabled, SettingKeys.approvalEnabled, SettingKeys.rateLimitEnabled,
        ]
        turnedOff = guards.filter { !settings[$0] }.map(\.name)
        let outbox = try Outbox(database: database.writer, settings: settings, logger: logger)
        companions =
            [ApprovalSweeper(approvals, logger: logger), AuditRetention(audit, settings: settings, logger: logger)]
            + (outbox.map { [$0] } ?? [])
    }
}
