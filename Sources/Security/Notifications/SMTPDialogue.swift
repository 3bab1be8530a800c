import Foundation

/// The client's side of SMTP for one mail (RFC 5321, RFC 3207, RFC 4954). Pure: it is given the server's lines and says what to do.
struct SMTPDialogue: Sendable {
    struct Login: Sendable, CustomStringConvertible {
        let user: String
        let password: String

        /// Services are logged with all that they hold, as they start; a password is not.
        var description: String { "\(user) with a password" }
    }

    enum Action: Sendable, Equatable {
        case send(String)
        /// Begin TLS now; then call ``tlsStarted()``.
        case startTLS
        /// The mail is with the server. `refused`: recipients it did not take.
        case delivered(refused: [String])
        case fail(SMTPError)
        case wait
    }

    private enum Step { case greeting, hello, startTLS, user, password, auth, mail, recipients, data, body, done }

    private let message: MailMessage
    private let login: Login?
    private let needsTLS: Bool
    /// Whether a password may go over this connection as it is.
    private let isLoopback: Bool
    private var step = Step.greeting
    private var isSecure = false
    private var lines: [String] = []
    private var pending: [MailAddress]
    private var accepted = 0
    private var refused: [String] = []
    private var isRefusalPermanent = true

    init(_ message: MailMessage, login: Login?, needsTLS: Bool, isLoopback: Bool) {
        self.message = message
        self.login = login
        self.needsTLS = needsTLS
        self.isLoopback = isLoopback
        pending = message.to
    }

    /// Takes one line of the server's, without its end.
    mutating func receive(_ line: String) -> Action {
        guard line.utf8.count >= 3, let code = Int(line.prefix(3)), (200...599).contains(code) else {
            return stop(.init("The mail server answered something that is not SMTP.", isPermanent: false))
        }
        lines.append(String(line.dropFirst(4)))
        guard lines.count <= 100 else { return stop(.init("The mail server's answer has no end.", isPermanent: false)) }
        if line.dropFirst(3).first == "-" { return .wait }
        let reply = lines
        lines = []
        return take(code, reply)
    }

    /// TLS is there: what the server said before is worth nothing, so it is greeted again (RFC 3207 §4.2).
    mutating func tlsStarted() -> Action {
        isSecure = true
        step = .hello
        return .send("EHLO localhost\r\n")
    }

    private mutating func take(_ code: Int, _ reply: [String]) -> Action {
        switch (step, code) {
        case (.greeting, 220):
            step = .hello
            return .send("EHLO localhost\r\n")
        case (.hello, 250): return greeted(reply.dropFirst().map { $0.uppercased() })
        case (.startTLS, 220): return .startTLS
        case (.user, 334):
            step = .password
            return .send(Data((login?.user ?? "").utf8).base64EncodedString() + "\r\n")
        case (.password, 334):
            step = .auth
            return .send(Data((login?.password ?? "").utf8).base64EncodedString() + "\r\n")
        case (.auth, 235): return begin()
        case (.mail, 250): return nextRecipient()
        case (.recipients, 250), (.recipients, 251):
            accepted += 1
            return nextRecipient()
        case (.recipients, 400...599):
            refused.append("\(pending.first?.description ?? ""): \(code) \(reply.joined(separator: " "))")
            if code < 500 { isRefusalPermanent = false }
            return nextRecipient()
        case (.data, 354):
            step = .body
            return .send(message.wire)
        case (.body, 250):
            step = .done
            return .delivered(refused: refused)
        default:
            // A refused login may be mended in the settings, so the mail is kept for it.
            let isPermanent = code >= 500 && step != .auth && step != .user && step != .password && step != .greeting
            return stop(.init("The mail server answered \(code) \(reply.joined(separator: " ").prefix(200))", isPermanent: isPermanent))
        }
    }

    private mutating func greeted(_ extensions: [String]) -> Action {
        if needsTLS, !isSecure {
            guard extensions.contains("STARTTLS") else {
                return stop(.init("The mail server offers no STARTTLS, and SMTP_USE_TLS asks for it.", isPermanent: false))
            }
            step = .startTLS
            return .send("STARTTLS\r\n")
        }
        guard let login else { return begin() }
        guard isSecure || isLoopback else {
            return stop(.init("The password is not sent without TLS. Set SMTP_USE_TLS=true.", isPermanent: false))
        }
        let methods = extensions.first { $0.hasPrefix("AUTH ") }?.split(separator: " ").dropFirst() ?? []
        if methods.contains("PLAIN") {
            step = .auth
            return .send("AUTH PLAIN " + Data("\0\(login.user)\0\(login.password)".utf8).base64EncodedString() + "\r\n")
        }
        guard methods.contains("LOGIN") else {
            return stop(.init("The mail server offers neither AUTH PLAIN nor AUTH LOGIN.", isPermanent: false))
        }
        step = .user
        return .send("AUTH LOGIN\r\n")
    }

    private mutating func begin() -> Action {
        step = .mail
        return .send("MAIL FROM:<\(message.from)>\r\n")
    }

    private mutating func nextRecipient() -> Action {
        if step == .recipients { pending.removeFirst() }
        step = .recipients
        if let next = pending.first { return .send("RCPT TO:<\(next)>\r\n") }
        guard accepted > 0 else {
            return stop(.init("No recipient was accepted: \(refused.joined(separator: "; "))", isPermanent: isRefusalPermanent))
        }
        step = .data
        return .send("DATA\r\n")
    }

    private mutating func stop(_ error: SMTPError) -> Action {
        step = .done
        return .fail(error)
    }
}

/// Why a mail could not be handed over. Never holds a password.
struct SMTPError: Error, Sendable, Equatable, CustomStringConvertible {
    let description: String
    /// Whether trying again cannot help.
    let isPermanent: Bool

    init(_ description: String, isPermanent: Bool) {
        self.description = description
        self.isPermanent = isPermanent
    }
}
