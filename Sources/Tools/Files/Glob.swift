import Foundation
import ServiceKit

/// A pattern of file names: `*` and `?` within a part, `**` across parts, `[a-z]`, `{a,b}`. Without a slash it is held against names, with
/// one against paths.
struct Glob: Sendable {
    private let expression: NSRegularExpression
    private let isOfNames: Bool

    /// - Throws: 422 for one that cannot be understood.
    init(_ text: String) throws {
        isOfNames = !text.contains("/")
        var pattern = "^"
        var depth = 0
        var rest = Substring(text.hasPrefix("/") ? String(text.dropFirst()) : text)
        while let character = rest.popFirst() {
            switch character {
            case "*" where rest.hasPrefix("*/"):
                rest.removeFirst(2)
                pattern += "(?:[^/]++/)*+"
            case "*" where rest.hasPrefix("*"):
                rest.removeFirst()
                pattern += ".*"
            case "*": pattern += "[^/]*"
            case "?": pattern += "[^/]"
            case "{":
                depth += 1
                pattern += "(?:"
            case "," where depth > 0: pattern += "|"
            case "}" where depth > 0:
                depth -= 1
                pattern += ")"
            case "[":
                guard let end = rest.dropFirst().firstIndex(of: "]") else { throw Self.refused(text) }
                let inside = rest[..<end].replacing("\\", with: "\\\\").replacing("[", with: "\\[").replacing("&", with: "\\&")
                pattern += "[" + (inside.hasPrefix("!") ? "^" + inside.dropFirst() : inside) + "]"
                rest = rest[rest.index(after: end)...]
            default: pattern += NSRegularExpression.escapedPattern(for: String(character))
            }
        }
        // Many stars in a row of letters would have the matcher try every way to share them out.
        guard depth == 0, text.count(where: { $0 == "*" }) <= 8, let expression = try? NSRegularExpression(pattern: pattern + "$") else {
            throw Self.refused(text)
        }
        self.expression = expression
    }

    func matches(_ path: String) -> Bool {
        let subject = isOfNames ? path.split(separator: "/").last.map(String.init) ?? path : path
        return expression.firstMatch(in: subject, range: NSRange(location: 0, length: (subject as NSString).length)) != nil
    }

    private static func refused(_ text: String) -> ServiceError {
        .invalid("The glob “\(text.prefix(100))” is not understood; write it like *.swift or src/**/*.py.", parameter: "glob")
    }
}
