import Foundation
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Security

@Suite("Delivery of mail")
struct SMTPDeliveryTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("A mail of the outbox arrives once over TLS, to all recipients, password and content never in the clear")
    func delivered() async throws {
        try await withScratchFolder { folder in
            try await SMTPSink.run(folder) { sink, port in
                let bench = try await ApprovalBench(
                    folder,
                    [
                        "NOTIFICATION_ENABLED": "true", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": String(port), "SMTP_TLS_VERIFY": "false",
                        "SMTP_USER": "u", "SMTP_PASSWORD": "p", "EMAIL_TO": "one@example.org, two@example.org",
                    ])
                let asked = try await bench.ask(try bench.open())
                let pool = try bench.database()
                let outbox = try #require(try Outbox(database: pool, settings: bench.settings, logger: logger, now: { bench.clock.now }))
                #expect(try await outbox.deliverNext())
                #expect(try await !outbox.deliverNext())
                let failure = try await pool.read { try String.fetchOne($0, sql: "SELECT error FROM outbox") }
                #expect(failure == nil)
                let seen = sink.seen.withLock { $0 }
                #expect(seen.commands.filter { $0.line.hasPrefix("RCPT") }.count == 2)
                #expect(seen.commands.filter { !$0.isSecure }.map(\.line) == ["EHLO localhost", "STARTTLS"])
                #expect(seen.commands.contains { $0.line == "AUTH PLAIN AHUAcA==" && $0.isSecure })
                let text = seen.mail.compactMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }.joined()
                #expect(text.contains(asked.shortID) && text.contains("승인"))
            }
        }
    }

    @Test("A certificate that nobody vouches for is refused, and the mail is kept for another try")
    func verified() async throws {
        try await withScratchFolder { folder in
            try await SMTPSink.run(folder) { sink, port in
                let bench = try await ApprovalBench(
                    folder,
                    [
                        "NOTIFICATION_ENABLED": "true", "SMTP_HOST": "localhost", "SMTP_PORT": String(port), "SMTP_USER": "u",
                        "SMTP_PASSWORD": "p",
                    ])
                _ = try await bench.ask(try bench.open())
                let pool = try bench.database()
                let outbox = try #require(try Outbox(database: pool, settings: bench.settings, logger: logger, now: { bench.clock.now }))
                #expect(try await outbox.deliverNext())
                let kept = try await pool.read {
                    try Int.fetchOne($0, sql: "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND error <> ''")
                }
                #expect(kept == 1)
                let seen = sink.seen.withLock { $0 }
                #expect(seen.mail.isEmpty && !seen.commands.contains { $0.line.hasPrefix("AUTH") })
                // The server was reached: what stopped the mail was its certificate.
                #expect(seen.commands.map(\.line).contains("STARTTLS"))
            }
        }
    }
}
