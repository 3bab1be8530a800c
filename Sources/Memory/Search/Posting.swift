import Foundation
import GRDB

/// Where a word stands: the newest conversations, and what it tells.
struct Posting {
    /// The newest conversations with a word between two numbers.
    private struct Places {
        /// The newest first.
        let ids: [Int64]
        /// Whether the word stands in more.
        let isCut: Bool
        /// In how many of the numbers that were gone through the word stands, as a share.
        let density: Double

        init(of term: String, within bounds: ClosedRange<Int64>, _ last: Int64, _ depth: Int, _ db: Database) throws {
            ids = try Posting.rows(Posting.quoted(term), within: bounds, depth, db)
            isCut = ids.count == depth
            let before = isCut ? ids.last ?? 0 : bounds.lowerBound - 1
            density = Double(ids.count) / Double(max(min(bounds.upperBound, last) - before, 1))
        }
    }

    /// What a word tells at the least, wherever it stands: of two conversations with one rare word the one with the other word, too, is
    /// better.
    private static let leastWeight = 0.25
    /// Numbers of conversations, from the newest on, that are gone through at the most for words that are all frequent.
    private static let farthest = 100_000.0
    /// How often these words may stand there, all in all, by how densely the newest of them stand: FTS5 goes through each place.
    private static let mostPlaces = 10_000.0

    let term: String
    /// The newest first.
    let ids: [Int64]
    /// The inverse document frequency; for a word that stands in more than were looked at, judged by how close together they lie.
    let weight: Double
    private let whole: Places
    private let narrowed: Places?

    /// Whether it stands in more than were looked at.
    var isCut: Bool { whole.isCut }

    /// - Parameter narrowed: where a frequent word is looked for besides.
    init(
        _ term: String, _ last: Int64, within bounds: ClosedRange<Int64>, narrowed: ClosedRange<Int64>?, _ depth: Int, _ db: Database
    ) throws {
        self.term = term
        let whole = try Places(of: term, within: bounds, last, depth, db)
        let besides = whole.isCut ? try narrowed.map { try Places(of: term, within: $0, last, depth, db) } : nil
        ids = besides.map { Set(whole.ids).union($0.ids).sorted(by: >) } ?? whole.ids
        // Within bounds it is told by what lies within them.
        let total = Double(max(min(bounds.upperBound, last) - bounds.lowerBound + 1, 1))
        let frequency = total * whole.density
        weight = max(Self.leastWeight, log(1 + (max(total - frequency, 0) + 0.5) / (frequency + 0.5)))
        (self.whole, self.narrowed) = (whole, besides)
    }

    /// Conversations that hold several words, the newest first, and the weight of those words: of all words as far back as is gone through
    /// soon enough, and farther back of the rarer ones.
    ///
    /// - Parameters:
    ///   - postings: two or more.
    ///   - isNarrowed: whether the bounds are those in which frequent words were looked for besides.
    static func together(
        _ postings: [Posting], _ last: Int64, within bounds: ClosedRange<Int64>, isNarrowed: Bool, _ depth: Int, _ db: Database
    ) throws -> [(ids: [Int64], weight: Double)] {
        let words = postings.map { (posting: $0, density: (isNarrowed ? $0.narrowed : $0.whole)?.density ?? 0) }
            .sorted { $0.density < $1.density }
        func reach(_ count: Int) -> Double { min(farthest, mostPlaces / words.prefix(count).map(\.density).reduce(0, +)) }
        let rarer = (2..<words.count).last { reach($0) == farthest } ?? 2
        return try (reach(words.count) < farthest ? Set([words.count, rarer]) : [words.count]).map { count in
            let wanted = words.prefix(count).map(\.posting)
            let first = max(bounds.lowerBound, min(last, bounds.upperBound) - Int64(reach(count)))
            let expression = wanted.map { quoted($0.term) }.joined(separator: " AND ")
            return (try rows(expression, within: first...bounds.upperBound, depth, db), wanted.map(\.weight).reduce(0, +))
        }
    }

    private static func rows(_ expression: String, within bounds: ClosedRange<Int64>, _ limit: Int, _ db: Database) throws -> [Int64] {
        // In one row: thousands would cost more to hand over than to find.
        let statement = try db.cachedStatement(
            sql: """
                SELECT group_concat(rowid) FROM (
                    SELECT rowid FROM conversations_fts WHERE conversations_fts MATCH ? AND rowid BETWEEN ? AND ?
                    ORDER BY rowid DESC LIMIT ?)
                """)
        return MemoryStore.numbers(
            try String.fetchOne(statement, arguments: [expression, bounds.lowerBound, bounds.upperBound, limit])
        ).sorted(by: >)
    }

    /// The word as an FTS5 string: quotes make it plain text.
    private static func quoted(_ term: String) -> String { "\"" + term.replacing("\"", with: "\"\"") + "\"" }
}
