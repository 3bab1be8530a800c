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
    /// Numbers of conversations, from the newest on, within which words that are all frequent are looked for.
    private static let farthest = 100_000.0
    /// To how many of their places that may come, all in all, by how densely the newest stand; of the rarer ones to half as many.
    private static let mostPlaces = 10_000.0

    let term: String
    /// The newest first.
    private(set) var ids: [Int64]
    /// The inverse document frequency; for a word that stands in more than were looked at, judged by how close together they lie.
    let weight: Double
    private let whole: Places
    private let narrowed: Places?

    /// Whether it stands in more than were looked at.
    var isCut: Bool { whole.isCut }
    /// Those that were looked at last: where it was looked for besides, else all.
    private var newest: Places { narrowed ?? whole }

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

    /// Looks farther back for words that are all frequent: for each as far as that comes to no more places than it should, and for the rarest
    /// as far as any is looked for, where they are rare enough. FTS5 could look for all of them together, but goes on to the next conversation
    /// that holds them, however far back that is.
    ///
    /// - Parameter postings: two or more.
    static func deepen(_ postings: inout [Posting], _ last: Int64, within bounds: ClosedRange<Int64>, _ db: Database) throws {
        let rarest = postings.indices.sorted { postings[$0].newest.density < postings[$1].newest.density }
        let densities = rarest.map { postings[$0].newest.density }
        func reach(_ count: Int, _ places: Double) -> Double { min(farthest, places / densities.prefix(count).reduce(0, +)) }
        let near = reach(densities.count, mostPlaces)
        let rarer = (1...densities.count).prefix { reach($0, mostPlaces / 2) == farthest }.count
        for (rank, index) in rarest.enumerated() {
            let posting = postings[index]
            let first = max(bounds.lowerBound, min(bounds.upperBound, last) - Int64(rank < rarer ? farthest : near))
            guard posting.newest.isCut, let oldest = posting.newest.ids.last, first < oldest else { continue }
            let older = try rows(quoted(posting.term), within: first...(oldest - 1), Int(mostPlaces), db)
            postings[index].ids = posting.narrowed == nil ? posting.ids + older : Set(posting.ids).union(older).sorted(by: >)
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
