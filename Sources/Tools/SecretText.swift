import Foundation

/// Finds what looks like a secret in a text: what stands behind a name such as `password`, credentials of an address or a header, private
/// keys, and keys of well-known shapes.
///
/// It is a net, not a proof: a secret that looks like any other word passes. So nothing that is known to be one is ever given to it.
enum SecretText {
    /// What stands in the place of a secret.
    static let mask = "[redacted]"

    private static let names =
        "password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie"

    /// Expressions, each with the part that goes as its last group. Repetitions are bounded: no text makes the search long.
    private static let expressions: [NSRegularExpression] = [
        #"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----([\s\S]*?)(?:-----END|$)"#,
        #"[a-z][a-z0-9+.-]{0,15}://[^/\s:@]{0,64}:([^/\s@]{1,256})@"#,
        #"\b(?:bearer|basic|apikey)\s{1,4}([a-z0-9._~+/=-]{6,})"#,
        #"(?:\#(names))[a-z0-9_.-]{0,24}["']?\s{0,4}(?:[:=]|=>)\s{0,4}(?:"([^"]{1,512})|'([^']{1,512})|([^\s"'&;,|)}]{1,512}))"#,
        #"(?:^|\s)--?[a-z0-9_-]{0,24}(?:\#(names))[a-z0-9_-]{0,24}\s{1,4}("[^"]{1,512}"|'[^']{1,512}'|[^\s"'-][^\s"']{0,512})"#,
        #"\b(maru_[a-z_]{0,16}[0-9a-f]{16,}|sk-[a-z0-9_-]{16,}|gh[pousr]_[a-z0-9]{16,}|github_pat_[a-z0-9_]{16,}|glpat-[a-z0-9_-]{16,})"#,
        #"\b(xox[abprs]-[a-z0-9-]{10,}|(?:secret|ntn)_[a-z0-9]{16,}|AKIA[0-9A-Z]{16}|AIza[a-z0-9_-]{30,}|eyJ[a-z0-9_-]{8,}\.eyJ[a-z0-9_.-]{8,})"#,
    ].map { pattern in
        guard let expression = try? NSRegularExpression(pattern: pattern, options: [.caseInsensitive]) else {
            preconditionFailure("\(pattern) is no expression")
        }
        return expression
    }

    private static let words = names.split(separator: "|").map { $0.replacingOccurrences(of: "[_-]?", with: "") }

    /// Whether something of this name holds a secret.
    static func isName(_ name: String) -> Bool {
        let plain = name.lowercased().filter(\.isLetter)
        return words.contains { plain.contains($0) }
    }

    /// The text with everything that looks like a secret left out.
    static func masked(_ text: String) -> String {
        // Every such text has one of these, or is a long word: names of files and folders are not searched.
        guard text.utf8.count >= 16 || text.utf8.contains(where: { ":= -_".utf8.contains($0) }) else { return text }
        var text = text
        for expression in expressions {
            let whole = NSRange(text.startIndex..., in: text)
            for match in expression.matches(in: text, range: whole).reversed() {
                let group = (1..<match.numberOfRanges).map(match.range(at:)).first { $0.location != NSNotFound && $0.length > 0 }
                guard let group, let range = Range(group, in: text), text[range] != mask[...] else { continue }
                text.replaceSubrange(range, with: mask)
            }
        }
        return text
    }
}
