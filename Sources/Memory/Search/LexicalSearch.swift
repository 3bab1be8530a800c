import Foundation
import GRDB

/// Finds conversations by words. The work is bounded whatever is asked of however many: FTS5 has no way to stop at the best, so of a word
/// that stands in very many conversations only the newest are looked at.
///
/// First the conversations that hold any of the words are gathered, each with the weight of those it holds; then the texts of the best are
/// ranked by BM25 (Robertson and Zaragoza, 2009, https://doi.org/10.1561/1500000019).
struct LexicalSearch: Sendable {
    /// A conversation that holds words of the query.
    struct Hit: Sendable {
        let conversation: Conversation
        /// BM25, from 0 to 1: 1 for a conversation that could not say more of the words.
        let score: Double
        /// The words of the query that it holds.
        let terms: [String]
    }

    /// Conversations that are looked at for each word; with a filter, which most may not pass, more.
    private static let (depth, filteredDepth) = (1_000, 2_000)
    /// Conversations of which it is asked whether they pass a filter, the best first.
    private static let judged = 2_000
    /// Conversations whose texts are ranked.
    private static let ranked = 40
    /// Conversations of a session, a tag and so on that are all ranked, whatever words they hold.
    private static let rankedOfFew = 200
    /// A long answer is no worse than a short one, so length counts for less than in collections of documents (0.75).
    private static let (k1, b) = (1.2, 0.4)

    let store: MemoryStore

    func run(_ query: MemoryQuery, _ filter: MemoryFilter, _ reach: MemoryReach, limit: Int) async throws -> [Hit] {
        let few = reach.few
        guard !query.terms.isEmpty, few?.isEmpty != true else { return [] }
        let moment = store.now()
        let only = few.map(Set.init)
        let whole = (few?.min() ?? 1)...(few?.max() ?? .max)
        let depth = filter.isOpen ? Self.depth : Self.filteredDepth
        return try await store.pool.read { db in
            let last = try MemoryStore.lastConversation(db)
            // Elsewhere than the few are nothing would be of use.
            let within = try Self.window(of: filter, db).flatMap { $0.overlaps(whole) ? $0.clamped(to: whole) : nil }
            var postings = try query.terms.map { try Posting($0, last, within: whole, narrowed: within, depth, db) }
            if postings.count > 1, postings.allSatisfy(\.isCut) { try Posting.deepen(&postings, last, within: within ?? whole, db) }
            var candidates = Candidates()
            for posting in postings { candidates.add(posting.ids, posting.weight) }
            if let few, few.count <= Self.rankedOfFew { candidates.raise(few.sorted(by: >), to: 0) }
            if let only { candidates.keep(only.contains) }
            let wanted = max(Self.ranked, limit, few.map { min($0.count, Self.rankedOfFew) } ?? 0)
            let most = filter.isOpen ? wanted : Self.judged
            // Some more than should do, since those that hold the words are not as all others are.
            let step = filter.isOpen ? wanted : min(Int(Double(wanted) / reach.share * 1.25), most)
            let order = candidates.best(most, favouring: within)
            var found: [Conversation] = []
            for start in stride(from: 0, to: min(order.count, most), by: step) where found.count < wanted {
                let some = order[start..<min(start + step, order.count)]
                let passing = try MemoryStore.passing(filter, at: moment, among: some, db)
                found += try MemoryStore.whole(some.filter(passing.contains).prefix(wanted - found.count), db)
            }
            return Array(Self.rank(found, postings).prefix(limit))
        }
    }

    /// The numbers between which the conversations of a time lie, as far as they were saved in the order in which they happened: of a
    /// frequent word the newest of all would be newer than that.
    private static func window(of filter: MemoryFilter, _ db: Database) throws -> ClosedRange<Int64>? {
        guard filter.until != nil, let span = filter.span else { return nil }
        func end(_ order: String) throws -> Int64? {
            try Int64.fetchOne(
                db, sql: "SELECT id FROM conversations WHERE timestamp >= ? AND timestamp < ? ORDER BY timestamp \(order) LIMIT 1",
                arguments: [span.from, span.to])
        }
        guard let first = try end("ASC"), let last = try end("DESC"), first <= last else { return nil }
        return first...last
    }

    private static func rank(_ found: [Conversation], _ postings: [Posting]) -> [Hit] {
        let wanted = MemoryTerms.Wanted(postings.map(\.term))
        let texts = found.map { ($0, wanted.count(in: $0.text)) }
        let average = max(1, Double(texts.map(\.1.length).reduce(0, +)) / Double(max(1, texts.count)))
        // What a text of nothing but the words could reach.
        let ceiling = max(postings.map(\.weight).reduce(0, +) * (k1 + 1), .leastNonzeroMagnitude)
        return texts.map { conversation, occurrences in
            var sum = 0.0
            var held: [String] = []
            for (posting, count) in zip(postings, occurrences.counts) where count > 0 {
                let count = Double(count)
                held.append(posting.term)
                sum += posting.weight * count * (k1 + 1) / (count + k1 * (1 - b + b * Double(occurrences.length) / average))
            }
            return Hit(conversation: conversation, score: sum / ceiling, terms: held)
        }.filter { !$0.terms.isEmpty }.sorted { ($0.score, $0.conversation.id) > ($1.score, $1.conversation.id) }
    }
}
