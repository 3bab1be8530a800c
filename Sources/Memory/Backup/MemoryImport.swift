import Foundation
import GRDB
import ServiceKit
import SuiteAPI

/// What an export holds, read by whoever sends it: every field is looked at before anything is written.
struct MemoryImport: Sendable {
    /// A conversation that is taken in, and the number it had where it comes from.
    private struct Entry: Sendable {
        let number: Int64?
        let new: NewConversation
    }

    /// Conversations of one transaction, for which a save waits.
    private static let piece = 25
    /// Facts of one transaction: each is compared with very many.
    private static let learntPiece = 10

    private let entries: [Entry]
    private let facts: [NewFact]
    private let preferences: [NewPreference]

    /// The document: the members of an export; what is not needed for an import may be missing.
    struct Body: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable {
            case export_time, project_id, conversations, embeddings, summaries, important_facts, user_preferences, success
        }
        let export_time: JSONValue?
        let project_id: JSONValue?
        let conversations: [JSONValue]
        /// Vectors are made anew.
        let embeddings: JSONValue?
        /// Sums of days are made anew from what was taken in.
        let summaries: JSONValue?
        let important_facts: [JSONValue]?
        let user_preferences: [JSONValue]?
        let success: JSONValue?
    }

    /// - Throws: 413 or 422 naming the entry and the field that cannot be taken in.
    init(_ body: Body) throws {
        guard body.conversations.count <= MemoryLimits.imported else {
            throw ServiceError.tooLarge(
                "An import has at most \(MemoryLimits.imported) conversations; send the rest in another.", parameter: "conversations")
        }
        for (name, count) in [
            ("important_facts", body.important_facts?.count ?? 0), ("user_preferences", body.user_preferences?.count ?? 0),
        ] where count > MemoryLimits.imported {
            throw ServiceError.tooLarge("An import has at most \(MemoryLimits.imported) “\(name)”.", parameter: name)
        }
        entries = try body.conversations.enumerated().map { index, value in
            try Self.naming("conversations[\(index)]") { try Self.entry(value) }
        }
        facts = try (body.important_facts ?? []).enumerated().map { index, value in
            try Self.naming("important_facts[\(index)]") { try NewFact(value) }
        }
        preferences = try (body.user_preferences ?? []).enumerated().map { index, value in
            try Self.naming("user_preferences[\(index)]") { try NewPreference(value) }
        }
    }

    /// Takes in what is not there yet, a piece at a time, so that who writes meanwhile does not wait long. Repeated after a crash it goes on where
    /// it ended.
    ///
    /// - Returns: how many conversations were taken in, and how many were there already or are past their time.
    func run(in store: MemoryStore) async throws -> (imported: Int, skipped: Int) {
        var imported = 0
        var numbers: [Int64: Int64] = [:]
        for start in stride(from: 0, to: entries.count, by: Self.piece) {
            let part = entries[start..<min(start + Self.piece, entries.count)].map { ($0, $0.new.terms) }
            let moment = store.now()
            let (count, known) = try await store.pool.write { db in
                try store.keeping(db) { keep -> (Int, [Int64: Int64]) in
                    var count = 0
                    var known: [Int64: Int64] = [:]
                    for (entry, terms) in part {
                        let there = try Int64.fetchOne(
                            db, sql: "SELECT id FROM conversations WHERE timestamp = ? AND user_query = ? AND ai_response = ?",
                            arguments: [entry.new.moment.map(MemoryTime.text), entry.new.query, entry.new.response])
                        if let there {
                            if let number = entry.number { known[number] = there }
                            continue
                        }
                        if let end = Expiry.date(level: entry.new.level, from: entry.new.moment ?? moment), end <= moment { continue }
                        let id = try keep(entry.new, terms).id
                        if let number = entry.number { known[number] = id }
                        count += 1
                    }
                    return (count, known)
                }
            }
            imported += count
            numbers.merge(known) { $1 }
        }
        try await takeLearnt(from: numbers, in: store)
        return (imported, entries.count - imported)
    }

    /// What was learnt from a conversation that is not here any more is linked to none.
    ///
    /// - Parameter sources: the numbers of conversations here by those they had.
    private func takeLearnt(from sources: [Int64: Int64], in store: MemoryStore) async throws {
        for start in stride(from: 0, to: facts.count, by: Self.learntPiece) {
            let part = facts[start..<min(start + Self.learntPiece, facts.count)]
            try await store.pool.write { db in
                for fact in part { _ = try fact.keep(source: fact.source.flatMap { sources[$0] } ?? 0, at: store.now(), db) }
            }
        }
        try await store.pool.write { db in
            for preference in preferences {
                try preference.keep(source: preference.source.flatMap { sources[$0] } ?? 0, at: store.now(), isNewer: false, db)
            }
        }
    }

    private static func entry(_ value: JSONValue) throws -> Entry {
        guard let fields = value.objectValue else { throw ServiceError.invalid("A conversation is a JSON object.") }
        func text(_ name: String) throws -> String? {
            switch fields[name] {
            case .string(let text): text
            case .null, nil: nil
            default: throw ServiceError.invalid("“\(name)” is a text.", parameter: name)
            }
        }
        func number(_ name: String) throws -> Int? {
            switch fields[name] {
            case .integer(let number): Int(number)
            case .null, nil: nil
            default: throw ServiceError.invalid("“\(name)” is a whole number.", parameter: name)
            }
        }
        guard let query = try text("user_query"), let response = try text("ai_response") else {
            throw ServiceError.invalid("“user_query” or “ai_response” is missing.", parameter: "user_query")
        }
        var tags: [String] = []
        if let given = fields["tags"], given != .null {
            guard let list = given.arrayValue, list.allSatisfy({ $0.stringValue != nil }) else {
                throw ServiceError.invalid("“tags” is a list of texts.", parameter: "tags")
            }
            tags = list.compactMap(\.stringValue)
        }
        var new = try NewConversation(
            SaveConversationRequest(
                user_query: query, ai_response: response, model_used: try text("model_used"), session_id: try text("session_id"),
                token_count: try number("token_count"), response_time_ms: try number("response_time_ms"), tags: tags,
                context: fields["project_context"] ?? fields["context"], importance_score: try number("importance_score")))
        new.moment = try MemoryLimits.past(try text("timestamp"), "timestamp")
        return Entry(number: try number("id").map(Int64.init), new: new)
    }

    private static func naming<Value>(_ what: String, _ work: () throws -> Value) throws -> Value {
        do {
            return try work()
        } catch var error as ServiceError {
            error.message = "\(what): \(error.message)"
            error.parameter = error.parameter.map { "\(what).\($0)" } ?? what
            throw error
        }
    }
}
