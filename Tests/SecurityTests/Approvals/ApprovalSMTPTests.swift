import Foundation
import GRDB
import Logging
import ServiceKit
import TestSupport
import Testing

@testable import Security

@Suite("Mail about approvals")
struct ApprovalSMTPTests {
    private static func message(_ to: [String] = ["one@example.org"], subject: String = "s") throws -> MailMessage {
        MailMessage(
            from: try #require(MailAddress("maru@example.org")), to: try to.map { try #require(MailAddress($0)) }, subject: subject,
            text: "text\n.\n", html: "<p>", messageID: "1@maru", date: Date(timeIntervalSince1970: 0))
    }

    /// Plays a server's replies; gives what the client sent, and how it ended.
    private static func play(_ dialogue: SMTPDialogue, _ replies: [String]) -> (sent: [String], end: SMTPDialogue.Action?) {
        var dialogue = dialogue
        var sent: [String] = []
        for reply in replies {
            var action = dialogue.receive(reply)
            if action == .startTLS {
                sent.append("TLS")
                action = dialogue.tlsStarted()
            }
            switch action {
            case .send(let text): sent.append(text.trimmingCharacters(in: .newlines))
            case .wait, .startTLS: break
            case .delivered, .fail: return (sent, action)
            }
        }
        return (sent, nil)
    }

    @Test("A mail is handed over after STARTTLS and login; whom the server refuses is told")
    func conversation() throws {
        let dialogue = SMTPDialogue(
            try Self.message(["one@example.org", "two@example.org"]), login: .init(user: "u", password: "p"), needsTLS: true,
            isLoopback: false)
        let (sent, end) = Self.play(
            dialogue,
            [
                "220 hello", "250-host", "250 STARTTLS", "220 go", "250-host", "250 AUTH LOGIN PLAIN", "235 ok", "250 ok", "250 ok",
                "550 no such",
                "354 go", "250 taken",
            ])
        let expected = [
            "EHLO localhost", "STARTTLS", "TLS", "EHLO localhost", "AUTH PLAIN AHUAcA==", "MAIL FROM:<maru@example.org>",
            "RCPT TO:<one@example.org>", "RCPT TO:<two@example.org>", "DATA",
        ]
        #expect(Array(sent.dropLast()) == expected)
        #expect(sent.last?.hasSuffix("\r\n.") == true)
        #expect(end == .delivered(refused: ["two@example.org: 550 no such"]))
    }

    @Test("No password and no mail goes out in the clear: a server without STARTTLS is left, one elsewhere gets no login")
    func noDowngrade() throws {
        let login = SMTPDialogue.Login(user: "u", password: "secret")
        for (needsTLS, isLoopback, isRefused) in [(true, true, true), (true, false, true), (false, false, true), (false, true, false)] {
            let dialogue = SMTPDialogue(try Self.message(), login: login, needsTLS: needsTLS, isLoopback: isLoopback)
            let (sent, end) = Self.play(dialogue, ["220 hello", "250-host", "250 AUTH PLAIN"])
            #expect(sent.contains { $0.hasPrefix("AUTH") } == !isRefused)
            if case .fail(let error) = end { #expect(!error.description.contains("secret")) } else { #expect(!isRefused) }
        }
    }

    @Test("A 4xx is tried again, a 5xx about the mail is not, a refused login is")
    func permanence() throws {
        for (replies, isPermanent) in [
            (["220 hello", "250 host", "550 no"], true), (["220 hello", "250 host", "450 later"], false),
            (["220 hello", "250 host", "250 ok", "550 no such"], true), (["220 hello", "250 host", "250 ok", "450 busy"], false),
            (["554 go away"], false), (["nonsense"], false),
        ] {
            let end = Self.play(SMTPDialogue(try Self.message(), login: nil, needsTLS: false, isLoopback: true), replies).end
            guard case .fail(let error) = end else {
                Issue.record("\(replies) did not fail")
                continue
            }
            #expect(error.isPermanent == isPermanent, "\(replies)")
        }
    }

    @Test("Nothing in a header can begin another one; no line begins with a single dot; addresses hold no commands")
    func injection() throws {
        let hostile = "a\r\nBcc: x@evil.example\r\n\r\n.\r\nQUIT \u{202E}승인"
        let wire = try Self.message(subject: hostile).wire
        let lines = wire.components(separatedBy: "\r\n")
        #expect(!lines.contains { $0.hasPrefix("Bcc") || $0.hasPrefix("QUIT") })
        #expect(lines.filter { $0.hasPrefix(".") } == ["."] && wire.hasSuffix("\r\n.\r\n"))
        #expect(lines.allSatisfy { $0.utf8.count <= 78 })
        for text in ["a@b\r\nRCPT TO:<c@d>", "a b@c", "<a@b>", "a", "@b", "a@", "a@b@c", "a@b,c@d", "가@b"] {
            #expect(MailAddress(text) == nil, "\(text)")
        }
    }

    @Test("A mail names tool, requester and short id, is escaped, and holds neither arguments nor keys")
    func letter() {
        let request = ApprovalRequest(
            id: UUID(), tool: "execute_bash", userID: "<b>mallory\u{1B}[2J", role: "developer", arguments: #"{"command":"cat secret"}"#,
            digest: "d", status: .pending, requestedAt: .now, expiresAt: .now, preview: "cat secret")
        let letter = ApprovalLetter(.requested, request)
        #expect(letter.subject.hasPrefix("[승인 필요] execute_bash 도구"))
        #expect(letter.text.contains(request.shortID) && letter.html.contains("&lt;b&gt;mallory") && !letter.html.contains("<b>"))
        for part in [letter.subject, letter.text, letter.html] {
            #expect(!part.contains("secret") && !part.contains("\u{1B}"))
        }
    }

    @Test("weakness_26_a_mail_is_written_with_its_change_survives_a_restart_and_is_kept_with_its_error_when_given_up")
    func weakness_26() async throws {
        try await withScratchFolder { folder in
            // Nobody listens on port 1.
            let bench = try await ApprovalBench(folder, ["NOTIFICATION_ENABLED": "true", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "1"])
            let approvals = try bench.open()
            let asked = try await bench.ask(approvals)
            _ = try await approvals.decide(asked.idText, approve: true, by: bench.boss)
            _ = try await bench.redeem(approvals, asked)
            let late = try await bench.ask(approvals, "late")
            bench.clock.move(301)
            _ = try await approvals.sweep()
            // Another process, later: everything is there, in order, one mail a change.
            let pool = try bench.database()
            let kinds = try await pool.read { try String.fetchAll($0, sql: "SELECT kind FROM outbox ORDER BY id") }
            #expect(kinds == ["approval_requested", "approval_approved", "approval_requested", "approval_timeout"])
            #expect(try await pool.read { try String.fetchOne($0, sql: "SELECT request_id FROM outbox ORDER BY id DESC") } == late.idText)

            let outbox = try #require(
                try Outbox(
                    database: pool, settings: bench.settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    now: { bench.clock.now }))
            var tries = 0
            for _ in 0..<100 {
                while try await outbox.deliverNext() { tries += 1 }
                bench.clock.move(3_600)
            }
            #expect(tries == 4 * Outbox.attempts)
            let kept = try await pool.read {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL AND error <> '' AND sent_at IS NULL")
            }
            #expect(kept == 4)
        }
    }

    @Test("An address that is none and a server elsewhere whose certificate is not checked are refused at the start")
    func settings() async throws {
        try await withScratchFolder { folder in
            for values in [
                ["EMAIL_TO": "a@b\r\nBcc: c@d"], ["EMAIL_TO": ","], ["EMAIL_FROM": "nobody"],
                ["SMTP_TLS_VERIFY": "false", "SMTP_HOST": "mail.example.org"],
                ["SMTP_TLS_VERIFY": "false", "SMTP_HOST": "127.evil.example"],
            ] {
                let bench = try await ApprovalBench(folder, values.merging(["NOTIFICATION_ENABLED": "true"]) { own, _ in own })
                let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                #expect(throws: (any Error).self, "\(values)") {
                    try Outbox(database: try bench.database(), settings: bench.settings, logger: logger)
                }
            }
        }
    }
}
