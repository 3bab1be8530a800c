import Foundation
import GRDB

/// Which conversations are meant.
struct MemoryFilter: Sendable {
    var importance: ClosedRange<Int> = Importance.range
    var session: String?
    var model: String?
    /// All of them must be there.
    var tags: [String] = []
    var since: Date?
    var until: Date?

    /// Whether nothing can keep a conversation out but that its time has passed.
    var isOpen: Bool {
        importance == Importance.range && session == nil && model == nil && tags.isEmpty && since == nil && until == nil
    }

    /// The time that it means, as the table has it, from the first on and before the second; `nil`: any.
    var span: (from: String, to: String)? {
        guard since != nil || until != nil else { return nil }
        return (since.map(MemoryTime.text) ?? "", until.map(MemoryTime.text) ?? "~")
    }

    /// As SQL about the table `conversations` under the name `c`. What is past its time is never meant.
    func condition(at moment: Date) -> (sql: String, arguments: StatementArguments) {
        var parts = ["(c.expires_at IS NULL OR c.expires_at > ?)"]
        var arguments: StatementArguments = [MemoryTime.text(moment)]
        func add(_ sql: String, _ values: any DatabaseValueConvertible...) {
            parts.append(sql)
            arguments += StatementArguments(values)
        }
        if importance != Importance.range { add("c.importance_score BETWEEN ? AND ?", importance.lowerBound, importance.upperBound) }
        if let session { add("c.session_id = ?", session) }
        if let model { add("c.model_used = ?", model) }
        for tag in tags { add("EXISTS (SELECT 1 FROM conversation_tags WHERE tag = ? AND conversation_id = c.id)", tag) }
        if let since { add("c.timestamp >= ?", MemoryTime.text(since)) }
        if let until { add("c.timestamp < ?", MemoryTime.text(until)) }
        return (parts.joined(separator: " AND "), arguments)
    }
}
