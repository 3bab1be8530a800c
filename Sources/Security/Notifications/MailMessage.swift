import Foundation

/// An address that can stand in a mail's envelope and headers: it holds nothing that could end a line or a command.
public struct MailAddress: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// - Returns: `nil` unless the text is `name@host` of printable ASCII without spaces, brackets, quotes and commas (a subset of RFC 5321).
    public init?(_ text: some StringProtocol) {
        let text = text.trimmingCharacters(in: CharacterSet(charactersIn: " "))
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        let isClean = text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !#"<>()[]\,;:""#.utf8.contains($0) }
        guard isClean, parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), text.utf8.count <= 254 else { return nil }
        description = text
    }
}

/// A mail as it goes over the wire (RFC 5322, RFC 2045–2047): text and HTML in base64, so that no line is long and none begins with a dot.
struct MailMessage: Sendable {
    let from: MailAddress
    let to: [MailAddress]
    let subject: String
    let text: String
    let html: String
    /// Stays the same when a mail is sent again, so that a reader's program can tell.
    let messageID: String
    let date: Date

    var lines: [String] {
        let boundary = "maru-part-boundary"
        return [
            "From: \(from)", "To: \(to.map(\.description).joined(separator: ",\r\n "))", "Subject: \(Self.encodedWords(subject))",
            "Date: \(Self.date(date))", "Message-ID: <\(messageID)>", "MIME-Version: 1.0", "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative; boundary=\"\(boundary)\"", "",
        ] + part("text/plain", text, boundary) + part("text/html", html, boundary) + ["--\(boundary)--"]
    }

    /// What follows DATA: every line ended, a dot at a line's beginning doubled (RFC 5321 §4.5.2), the end marked.
    var wire: String {
        lines.joined(separator: "\r\n").split(separator: "\r\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(".") ? ".\($0)" : String($0) }.joined(separator: "\r\n") + "\r\n.\r\n"
    }

    private func part(_ type: String, _ content: String, _ boundary: String) -> [String] {
        let base64 = Data(content.utf8).base64EncodedString(options: [
            .lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed,
        ])
        return ["--\(boundary)", "Content-Type: \(type); charset=utf-8", "Content-Transfer-Encoding: base64", "", base64]
    }

    /// A header's text in encoded words of at most 75 characters, cut between characters (RFC 2047). What it holds cannot end the header.
    static func encodedWords(_ text: String) -> String {
        var words: [String] = []
        var chunk = Data()
        for scalar in text.unicodeScalars {
            let bytes = Data(String(scalar).utf8)
            if chunk.count + bytes.count > 42 {
                words.append(chunk.base64EncodedString())
                chunk = Data()
            }
            chunk += bytes
        }
        if !chunk.isEmpty { words.append(chunk.base64EncodedString()) }
        return words.map { "=?utf-8?B?\($0)?=" }.joined(separator: "\r\n ")
    }

    static func date(_ date: Date) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let parts = calendar.dateComponents([.weekday, .day, .month, .year, .hour, .minute, .second], from: date)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int?) -> String { (value ?? 0) < 10 ? "0\(value ?? 0)" : "\(value ?? 0)" }
        return "\(days[(parts.weekday ?? 1) - 1]), \(two(parts.day)) \(months[(parts.month ?? 1) - 1]) \(parts.year ?? 1970) "
            + "\(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)) +0000"
    }
}
