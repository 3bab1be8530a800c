/// One kind of isolation, and whether it holds.
public struct IsolationFinding: Sendable, Codable {
    /// The kind, in one word.
    public let name: String
    public let holds: Bool
    /// What was tried and what came of it, in a sentence.
    public let detail: String

    public init(_ name: String, holds: Bool, _ detail: String) {
        self.name = name
        self.holds = holds
        self.detail = detail
    }
}
