import Foundation
import GRDB
import ServiceKit

/// Something that was learnt from what was said, and that holds beyond it.
struct NewFact: Sendable {
    /// What facts are about.
    static let categories = ["person", "project", "decision", "schedule", "technical", "other"]
    static let longest = 500
    /// Facts of a project.
    private static let most = 10_000
    /// Facts that say the same with other words: so much of their words they share (Jaccard's index).
    private static let sameness = 0.8

    let text: String
    let category: String
    /// The conversation's number where it comes from.
    var source: Int64?
    var isMarked = false

    /// - Throws: 422 naming the field that cannot be kept.
    init(_ value: JSONValue) throws {
        text = try MemoryLimits.text(value["fact"]?.stringValue ?? "", "fact", maxBytes: Self.longest * 4)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let given = value["category"]?.stringValue ?? "other"
        category = Self.categories.contains(given) ? given : "other"
        source = value["source_conversation_id"]?.intValue.map(Int64.init)
        isMarked = value["user_marked"]?.intValue == 1 || value["user_marked"]?.boolValue == true
    }

    /// Keeps it unless it is known. One that is known and is marked now stays, whatever becomes of the conversation it came from.
    ///
    /// - Returns: whether it was new.
    func keep(source: Int64, at moment: Date, _ db: Database) throws -> Bool {
        let words = Set(MemoryTerms(text).counts.keys)
        guard !words.isEmpty else { return false }
        let known = try Row.fetchCursor(db, sql: "SELECT id, fact FROM important_facts ORDER BY id DESC LIMIT 2000")
        while let row = try known.next() {
            guard saysSame(as: row["fact"], words) else { continue }
            if isMarked {
                let id: Int64 = row["id"]
                try db.execute(
                    sql: "UPDATE important_facts SET user_marked = 1, source_conversation_id = ? WHERE id = ?", arguments: [source, id])
            }
            return false
        }
        try db.execute(
            sql: """
                INSERT INTO important_facts (fact, category, source_conversation_id, user_marked, ai_suggested, created_at)
                VALUES (?, ?, ?, ?, ?, ?)
                """, arguments: [text, category, source, isMarked, !isMarked, MemoryTime.text(moment)])
        // Growth is bounded: the oldest that nobody marked make room.
        try db.execute(
            sql: """
                DELETE FROM important_facts WHERE user_marked = 0 AND id <= (SELECT id FROM important_facts ORDER BY id DESC LIMIT 1 OFFSET ?)
                """, arguments: [Self.most])
        return true
    }

    /// Whether another fact says the same. Where a number differs it does not: 10.0.4.8 corrects 10.0.4.7, and 3월 5일 5월 3일.
    ///
    /// - Parameter words: of this one.
    private func saysSame(as other: String, _ words: Set<String>) -> Bool {
        let others = Set(MemoryTerms(other).counts.keys)
        return Double(words.intersection(others).count) >= Self.sameness * Double(words.union(others).count)
            && Self.numbers(in: text) == Self.numbers(in: other)
    }

    private static func numbers(in text: String) -> [String] { MemoryTerms.general(text).filter { $0.contains(where: \.isNumber) } }
}

/// How the user wants things, by what it is about: what was said last counts.
struct NewPreference: Sendable {
    /// Preferences of a project; what was said longest ago makes room.
    private static let most = 500

    let key: String
    let value: String
    var source: Int64?

    /// - Throws: 422 naming the field that cannot be kept.
    init(_ fields: JSONValue) throws {
        let given = try MemoryLimits.text(fields["key"]?.stringValue ?? "", "key", maxBytes: 200)
        key = given.precomposedStringWithCanonicalMapping.lowercased().split { !($0.isLetter || $0.isNumber) }.joined(separator: "_")
        guard !key.isEmpty else { throw ServiceError.invalid("“key” holds no letter.", parameter: "key") }
        value = try MemoryLimits.text(fields["value"]?.stringValue ?? "", "value", maxBytes: 1_000)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        source = fields["source_conversation_id"]?.intValue.map(Int64.init)
    }

    /// - Parameter isNewer: whether it takes the place of one that is known.
    func keep(source: Int64, at moment: Date, isNewer: Bool = true, _ db: Database) throws {
        let conflict =
            isNewer
            ? "DO UPDATE SET value = excluded.value, source_conversation_id = excluded.source_conversation_id, updated_at = excluded.updated_at"
            : "DO NOTHING"
        try db.execute(
            sql: """
                INSERT INTO user_preferences (key, value, source_conversation_id, updated_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (key) \(conflict)
                """, arguments: [key, value, source, MemoryTime.text(moment)])
        try db.execute(
            sql: """
                DELETE FROM user_preferences WHERE key IN (SELECT key FROM user_preferences ORDER BY updated_at DESC, key LIMIT -1 OFFSET ?)
                """, arguments: [Self.most])
    }
}

extension MemoryStore {
    /// What was learnt: rows of a table by their columns, newest first.
    func knowledge(_ kind: KnowledgeKind, limit: Int = 1_000) async throws -> [[String: JSONValue]] {
        try await pool.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM \(kind.table) ORDER BY \(kind.order) LIMIT ?", arguments: [limit]).map { row in
                row.reduce(into: [:]) { fields, column in
                    let (name, value) = column
                    switch value.storage {
                    case .int64(let number) where ["user_marked", "ai_suggested"].contains(name): fields[name] = .bool(number != 0)
                    case .int64(let number): fields[name] = .integer(number)
                    case .string(let text): fields[name] = .string(text)
                    default: fields[name] = .null
                    }
                }
            }
        }
    }

    /// - Throws: 404 when there is none of this name.
    func forget(_ kind: KnowledgeKind, _ key: String) async throws {
        let count = try await pool.write { db in
            try db.execute(sql: "DELETE FROM \(kind.table) WHERE \(kind.key) = ?", arguments: [key])
            return db.changesCount
        }
        guard count > 0 else { throw ServiceError.notFound("There is no such entry in this project.", code: "entry_not_found") }
    }
}

/// The kinds of what is learnt.
enum KnowledgeKind: String, Sendable, CaseIterable {
    case facts, preferences, summaries

    var table: String {
        switch self {
        case .facts: "important_facts"
        case .preferences: "user_preferences"
        case .summaries: "conversation_summaries"
        }
    }
    var key: String { self == .preferences ? "key" : "id" }
    fileprivate var order: String { self == .preferences ? "updated_at DESC, key" : "id DESC" }
}
