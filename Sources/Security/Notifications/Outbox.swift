import Foundation
import GRDB
import Logging
import Metrics
import ServiceKit
import ServiceLifecycle
import Suite

/// Delivers what stands in the outbox: again with growing pauses when the mail server does not take it, in the order it was written, after
/// a restart too. A mail may arrive twice when the process dies right after handing it over; none is lost.
public struct Outbox: Service {
    let database: any DatabaseWriter
    let client: SMTPClient
    let from: MailAddress
    let to: [MailAddress]
    let logger: Logger
    let now: @Sendable () -> Date

    /// How often a mail is tried before it is given up: some hours.
    static let attempts = 10

    /// - Returns: `nil` when `NOTIFICATION_ENABLED` is off.
    /// - Throws: ``Suite/InvalidSettings`` when an address is none, or certificates are not to be checked on a server elsewhere.
    public init?(
        database: any DatabaseWriter, settings: Settings, logger: Logger, now: @escaping @Sendable () -> Date = { .now }
    ) throws {
        guard settings[SettingKeys.notificationEnabled] else { return nil }
        self.database = database
        self.logger = logger
        self.now = now
        from = try Self.address(settings, SettingKeys.emailFrom, settings[SettingKeys.emailFrom])
        let recipients = settings[SettingKeys.emailTo].split(separator: ",")
        to = try recipients.map { try Self.address(settings, SettingKeys.emailTo, $0) }
        guard !to.isEmpty else { throw Self.invalid(settings, SettingKeys.emailTo, "name@host, separated by commas") }
        let host = settings[SettingKeys.smtpHost]
        let verifies = settings[SettingKeys.smtpTLSVerify]
        guard verifies || SMTPClient.isLoopback(host) else {
            throw Self.invalid(settings, SettingKeys.smtpTLSVerify, "true, unless SMTP_HOST is this machine")
        }
        let user = settings[SettingKeys.smtpUser]
        client = SMTPClient(
            host: host, port: settings[SettingKeys.smtpPort],
            login: user.isEmpty ? nil : .init(user: user, password: settings[SettingKeys.smtpPassword]),
            usesTLS: settings[SettingKeys.smtpUseTLS], verifiesCertificate: verifies)
    }

    private static func address(_ settings: Settings, _ key: Setting<String>, _ text: some StringProtocol) throws -> MailAddress {
        guard let address = MailAddress(text) else { throw invalid(settings, key, "name@host") }
        return address
    }

    private static func invalid(_ settings: Settings, _ key: any SettingDescription, _ allowed: String) -> InvalidSettings {
        InvalidSettings(key, in: settings, allowed: allowed)
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    while try await deliverNext() {}
                    try await Task.sleep(for: .seconds(1))
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("the outbox cannot be read", metadata: ["error": "\(error)"])
                    do { try await Task.sleep(for: .seconds(5)) } catch { return }
                }
            }
        }
    }

    /// Tries the oldest mail that is due.
    ///
    /// - Returns: whether there was one.
    func deliverNext() async throws -> Bool {
        let moment = now()
        guard let mail = try await claim(at: moment) else { return false }
        let message = MailMessage(
            from: from, to: to, subject: mail.subject, text: mail.text, html: mail.html, messageID: "\(mail.id).\(mail.requestID)@maru",
            date: mail.created)
        do {
            let refused = try await client.send(message)
            let note = refused.isEmpty ? nil : refused.joined(separator: "; ")
            try await database.write { [moment = now()] in
                try $0.execute(sql: "UPDATE outbox SET sent_at = ?, error = ? WHERE id = ?", arguments: [moment, note, mail.id])
            }
            count("sent")
        } catch is CancellationError {
            // Stopped, not failed: it is due again at once, and that try does not count.
            try await Task { [database] in
                try await database.write {
                    try $0.execute(
                        sql: "UPDATE outbox SET attempts = attempts - 1, next_attempt_at = ? WHERE id = ?", arguments: [moment, mail.id])
                }
            }.value
            throw CancellationError()
        } catch {
            let isLast = mail.attempt >= Self.attempts || (error as? SMTPError)?.isPermanent == true
            try await database.write { [moment = now()] in
                try $0.execute(
                    sql: "UPDATE outbox SET error = ?, failed_at = ? WHERE id = ?",
                    arguments: [String("\(error)".prefix(500)), isLast ? moment : nil, mail.id])
            }
            count(isLast ? "failed" : "retried")
            logger.warning(
                "a mail could not be sent",
                metadata: ["kind": "\(mail.kind)", "attempt": "\(mail.attempt)", "given_up": "\(isLast)", "error": "\(error)"])
        }
        return true
    }

    private struct Mail: Sendable {
        let id: Int64
        let kind: String
        let requestID: String
        let subject: String
        let text: String
        let html: String
        let created: Date
        let attempt: Int
    }

    /// Takes the oldest mail that is due for this process: its next time is set before it is tried, so that no other tries it meanwhile.
    private func claim(at moment: Date) async throws -> Mail? {
        try await database.write { db in
            let row = try Row.fetchOne(
                db, sql: "SELECT * FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= ? ORDER BY id LIMIT 1",
                arguments: [moment])
            guard let row else { return nil }
            let mail = Mail(
                id: row["id"], kind: row["kind"], requestID: row["request_id"], subject: row["subject"], text: row["text"],
                html: row["html"],
                created: row["created_at"], attempt: row["attempts"] + 1)
            // Longer than a try may take, so that no other process takes it up meanwhile.
            let pause = min(3_600, 45 * pow(2, Double(mail.attempt - 1)))
            try db.execute(
                sql: "UPDATE outbox SET attempts = ?, next_attempt_at = ? WHERE id = ?",
                arguments: [mail.attempt, moment + pause, mail.id])
            return mail
        }
    }

    private func count(_ outcome: String) { Counter(label: "notifications_total", dimensions: [("outcome", outcome)]).increment() }
}
