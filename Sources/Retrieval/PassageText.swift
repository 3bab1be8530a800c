import Foundation

/// What of a passage the embedding model reads: under which file and headings it stands, and the passage. A passage in the middle of
/// `leave-policy.md` need not say the word leave.
enum PassageText {
    /// Changes with this text; passages embedded by another recipe are embedded again.
    static let recipe = 1
    /// Tokens that passages leave free for the file's name and the headings.
    static let reserve = 64

    /// - Parameter count: tokens of each of some texts.
    static func of(_ passages: [Passage], in file: String, count: @Sendable ([String]) async throws -> [Int]) async throws -> [String] {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        let headers = passages.map { [name, $0.heading].compactMap(\.self).joined(separator: "\n") }
        // A header that does not fit is left out whole: what the passage itself says counts more.
        return zip(passages, zip(headers, try await count(headers))).map { passage, header in
            header.1 < reserve ? header.0 + "\n" + passage.text : passage.text
        }
    }
}
