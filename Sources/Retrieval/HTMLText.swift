import Foundation

/// The readable text of an HTML page: headings marked as in Markdown, list items and paragraphs on lines of their own; scripts, styles
/// and navigation left out. Line numbers stay those of the page, so that citations lead to the source.
enum HTMLText {
    private static let hidden: Set<String> = ["script", "style", "nav", "head", "noscript", "template", "svg"]

    static func text(of html: String) -> String {
        var output = ""
        var hiddenDepth: [String] = []
        var rest = html[...]
        while let open = rest.firstIndex(of: "<") {
            append(rest[..<open], to: &output, isHidden: !hiddenDepth.isEmpty)
            rest = rest[open...]
            if rest.hasPrefix("<!--") {
                let end = rest.range(of: "-->")?.upperBound ?? rest.endIndex
                append(rest[..<end], to: &output, isHidden: true)
                rest = rest[end...]
                continue
            }
            guard let close = rest.firstIndex(of: ">") else { break }
            let tag = rest[rest.index(after: open)..<close]
            append(tag, to: &output, isHidden: true)
            rest = rest[rest.index(after: close)...]
            let isEnd = tag.hasPrefix("/")
            let name = String(tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber }).lowercased()
            if hidden.contains(name) {
                if isEnd {
                    if hiddenDepth.last == name { hiddenDepth.removeLast() }
                } else if !tag.hasSuffix("/") {
                    hiddenDepth.append(name)
                }
            } else if hiddenDepth.isEmpty, !isEnd {
                if let level = name.first == "h" ? Int(name.dropFirst()) : nil, (1...6).contains(level) {
                    output += String(repeating: "#", count: level) + " "
                }
                if name == "li" { output += "- " }
                if name == "td" || name == "th" { output += " | " }
            }
        }
        append(rest, to: &output, isHidden: !hiddenDepth.isEmpty)
        return output
    }

    /// Of what is hidden only the line breaks stay.
    private static func append(_ text: Substring, to output: inout String, isHidden: Bool) {
        output += isHidden ? String(text.filter(\.isNewline)) : entities(text)
    }

    private static let named = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "middot": "·", "hellip": "…", "ndash": "–", "mdash": "—",
    ]

    private static func entities(_ text: Substring) -> String {
        String(text).replacing(#/&(#?)([xX]?)([0-9A-Za-z]+);/#) { match in
            guard match.1 == "#" else { return named[String(match.2 + match.3)] ?? String(match.0) }
            return UInt32(match.3, radix: match.2.isEmpty ? 10 : 16).flatMap(Unicode.Scalar.init).map { String($0) } ?? String(match.0)
        }
    }
}
