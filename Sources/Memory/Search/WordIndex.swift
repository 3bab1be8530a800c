import GRDB
import Synchronization

/// The index of words of one project (https://www.sqlite.org/fts5.html): which conversations have a term.
///
/// What a transaction changes of it is best changed last, and all at once: FTS5 writes a segment of its own whenever another statement opens a
/// savepoint, as one with triggers does. Segments are merged by those who write, in proportion to what they add, since FTS5 by itself
/// merges in steps that are longer the more levels there are: a save among a million conversations waited 50 ms for one.
final class WordIndex: Sendable {
    /// Terms that were written and nothing was merged for yet.
    private let unmerged = Mutex(0)

    /// Puts in the terms of conversations, by number.
    func add(_ added: [Int64: MemoryTerms], _ db: Database) throws {
        for (id, terms) in added.sorted(by: { $0.key < $1.key }) { try Self.add(terms, id, db) }
        try merge(for: added.values.reduce(0) { $0 + $1.counts.count }, db)
    }

    /// Takes out the terms of conversations, which must be as they were put in
    /// (https://www.sqlite.org/fts5.html#the_delete_command).
    func remove(_ removed: [Int64: MemoryTerms], _ db: Database) throws {
        // Out of order each would be a segment.
        for (id, terms) in removed.sorted(by: { $0.key < $1.key }) {
            try db.cachedStatement(sql: "INSERT INTO conversations_fts (conversations_fts, rowid, terms) VALUES ('delete', ?, ?)")
                .execute(arguments: [id, terms.indexed])
        }
        try merge(for: removed.values.reduce(0) { $0 + $1.counts.count }, db)
    }

    /// Makes the index anew from the conversations.
    static func rebuild(_ db: Database) throws {
        try db.execute(sql: "INSERT INTO conversations_fts (conversations_fts) VALUES ('delete-all')")
        let all = try Row.fetchCursor(db, sql: "SELECT id, user_query, ai_response FROM conversations ORDER BY id")
        while let row = try all.next() { try add(Conversation.terms(row["user_query"], row["ai_response"]), row["id"], db) }
    }

    /// Goes on with making one segment of all.
    ///
    /// - Parameter isFirst: whether this is the first step of it.
    /// - Returns: whether there may be more to do: a step that wrote less than it might have found nothing else. Who saves meanwhile does not
    ///   keep it going.
    static func unite(isFirst: Bool, _ db: Database) throws -> Bool {
        // Else what is saved meanwhile could stand in the way: too few segments to merge, but more than are being united.
        try setLeastSegments(2, db)
        // A negative number has all levels take part.
        let written = try merge(isFirst ? -longestStep : longestStep, db)
        try setLeastSegments(leastSegments, db)
        return written >= longestStep
    }

    private static func setLeastSegments(_ count: Int, _ db: Database) throws {
        try db.cachedStatement(sql: "INSERT INTO conversations_fts (conversations_fts, rank) VALUES ('usermerge', ?)").execute(arguments: [
            count
        ])
    }

    private static func add(_ terms: MemoryTerms, _ id: Int64, _ db: Database) throws {
        try db.cachedStatement(sql: "INSERT INTO conversations_fts (rowid, terms) VALUES (?, ?)").execute(arguments: [id, terms.indexed])
    }

    // MARK: Merging

    /// Of which about that many fill a page of the index.
    private static let termsOfPage = 64
    /// Segments of a level from which on they are merged (https://www.sqlite.org/fts5.html#the_usermerge_configuration_option).
    static let leastSegments = 8
    /// Pages of a step.
    private static let longestStep = 200
    /// So often a page is written again until it is in the oldest segment: eight segments make one of the next level, so that these levels
    /// hold a quarter of a million times what one transaction writes.
    private static let levels = 6
    /// Terms from which on merging is worth its beginning.
    private static let worthwhile = 256

    private func merge(for terms: Int, _ db: Database) throws {
        let owed = unmerged.withLock { owed in
            owed += terms
            guard owed >= Self.worthwhile else { return 0 }
            // What is left of long texts is merged with the next ones.
            let step = min(owed, Self.longestStep * Self.termsOfPage / Self.levels)
            owed -= step
            return step
        }
        guard owed > 0 else { return }
        // One is the command's own.
        if try Self.merge(owed * Self.levels / Self.termsOfPage, db) < 2 { unmerged.withLock { $0 = 0 } }
    }

    /// Merges some pages (https://www.sqlite.org/fts5.html#the_merge_command).
    ///
    /// - Returns: rows of the index's tables that were written, of which each page is one.
    private static func merge(_ pages: Int, _ db: Database) throws -> Int {
        let before = db.totalChangesCount
        try db.cachedStatement(sql: "INSERT INTO conversations_fts (conversations_fts, rank) VALUES ('merge', ?)").execute(arguments: [
            pages
        ])
        return db.totalChangesCount - before
    }
}
