import ServiceKit

/// Splits names as shells do: spaces separate, quotes hold together, a backslash takes the next character as it is.
enum QuotedWords {
    /// - Throws: 422 when a quote is not closed.
    static func split(_ text: String, parameter: String) throws -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = text[...]
        while let character = rest.popFirst() {
            if character == "\\", quote != "'", let next = rest.first, quote == nil || next == "\"" || next == "\\" {
                word = (word ?? "") + String(rest.removeFirst())
            } else if character == quote {
                quote = nil
            } else if quote != nil {
                word?.append(character)
            } else if character == "'" || character == "\"" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let done = word { words.append(done) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else { throw ServiceError.invalid("A quote is not closed in: \(text.prefix(200))", parameter: parameter) }
        return words + (word.map { [$0] } ?? [])
    }
}
