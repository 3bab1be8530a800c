import Foundation
import GRDB

/// How long a conversation is kept, by its importance (spec/05 §5.5 of the reference system).
public enum Expiry {
    private static let days = [1: 0, 2: 3, 3: 7, 4: 14, 5: 30, 6: 30, 7: 90, 8: 180, 9: 365]

    /// When a conversation of a level has to go; `nil`: never. What is of no importance has to go at once.
    ///
    /// - Parameter level: 1 to 10.
    public static func date(level: Int, from moment: Date) -> Date? {
        days[level].map { moment.addingTimeInterval(Double($0) * 86_400) }
    }
}

extension MemoryStore {
    /// Removes what is past its time, a piece at a time, so that who writes meanwhile does not wait long.
    ///
    /// - Returns: how many were removed.
    func removeExpired() async throws -> Int {
        let moment = MemoryTime.text(now())
        // Very much lies all over the file, and who saves would wait while the writer waits for the disk.
        if try await expired(at: moment, atMost: Self.many) == Self.many {
            // What cannot be read there need not be what is removed.
            _ = try? await prewarm()
            try Task.checkCancellation()
        }
        var removed = 0
        while true {
            // Their terms are made before: who saves waits for what has to be one with the removal alone.
            let expired = try await pool.read { db in
                try Conversation.fetchAll(
                    db, sql: "SELECT * FROM conversations WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
                    arguments: [moment, Self.removed])
            }
            let read = Dictionary(uniqueKeysWithValues: expired.map { ($0.id, (text: $0.text, terms: $0.terms)) })
            removed += try await pool.write { db in
                var terms: [Int64: MemoryTerms] = [:]
                for conversation in try Self.whole(read.keys, db) where conversation.expiresAt.map({ $0 <= moment }) ?? false {
                    // Another memory may have been put in its place meanwhile.
                    let known = read[conversation.id].flatMap { $0.text.utf8.elementsEqual(conversation.text.utf8) ? $0.terms : nil }
                    terms[conversation.id] = known ?? conversation.terms
                    try forget(conversation, db)
                }
                try words.remove(terms, db)
                return terms.count
            }
            if expired.count < Self.removed { return removed }
            try await checkpoints.finished()
            try Task.checkCancellation()
        }
    }

    /// How many are past their time, counted up to a bound.
    private func expired(at moment: String, atMost bound: Int) async throws -> Int {
        try await pool.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM (SELECT 1 FROM conversations WHERE expires_at <= ? LIMIT ?)", arguments: [moment, bound])
                ?? 0
        }
    }

    /// Conversations of one transaction, for which a save waits.
    private static let removed = 10
    /// So many are worth it to read the whole file before.
    private static let many = 1_000
}
