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

    /// Conversations that are looked at for each word.
    private static let depth = 2_000
    /// The newest conversations in which words that are all frequent are looked for together.
    private static let window: Int64 = 200_000
    /// Conversations whose texts are ranked.
    private static let ranked = 100
    /// A long answer is no worse than a short one, so length counts for less than in collections of documents (0.75).
    private static let (k1, b) = (1.2, 0.4)
    /// What a word tells at the least, wherever it stands: of two conversations with one rare word the one with the other word, too, is
    /// better.
    private static let leastWeight = 0.25

    let store: MemoryStore

    func run(_ query: MemoryQuery, _ filter: MemoryFilter, limit: Int) async throws -> [Hit] {
        guard !query.terms.isEmpty else { return [] }
        let condition = filter.condition(at: store.now())
        return try await store.pool.read { db in
            let last = try Int64.fetchOne(db, sql: "SELECT coalesce(max(id), 0) FROM conversations") ?? 0
            let postings = try query.terms.map { try Posting($0, last, filter.isOpen ? nil : condition, db) }
            var weights: [Int64: Double] = [:]
            for posting in postings { for id in posting.ids { weights[id, default: 0] += posting.weight } }
            if postings.count > 1, postings.allSatisfy(\.isCut) {
                let sum = postings.map(\.weight).reduce(0, +)
                for id in try Posting.together(query.terms, above: last - Self.window, filter.isOpen ? nil : condition, db) {
                    weights[id] = sum
                }
            }
            let best = weights.sorted { ($0.value, $0.key) > ($1.value, $1.key) }.prefix(max(Self.ranked, limit)).map(\.key)
            guard !best.isEmpty else { return [] }
            let marks = best.map { _ in "?" }.joined(separator: ",")
            let found = try Conversation.fetchAll(
                db, sql: "SELECT c.* FROM conversations c WHERE c.id IN (\(marks)) AND \(condition.sql)",
                arguments: StatementArguments(best) + condition.arguments)
            return Array(Self.rank(found, postings).prefix(limit))
        }
    }

    private static func rank(_ found: [Conversation], _ postings: [Posting]) -> [Hit] {
        let texts = found.map { ($0, $0.terms) }
        let average = max(1, Double(texts.map(\.1.length).reduce(0, +)) / Double(max(1, texts.count)))
        // What a text of nothing but the words could reach.
        let ceiling = max(postings.map(\.weight).reduce(0, +) * (k1 + 1), .leastNonzeroMagnitude)
        return texts.map { conversation, terms in
            var sum = 0.0
            var held: [String] = []
            for posting in postings {
                guard let count = terms.counts[posting.term].map(Double.init) else { continue }
                held.append(posting.term)
                sum += posting.weight * count * (k1 + 1) / (count + k1 * (1 - b + b * Double(terms.length) / average))
            }
            return Hit(conversation: conversation, score: sum / ceiling, terms: held)
        }.filter { !$0.terms.isEmpty }.sorted { ($0.score, $0.conversation.id) > ($1.score, $1.conversation.id) }
    }

    /// Where a word stands: the newest conversations, and what it tells.
    private struct Posting {
        let term: String
        let ids: [Int64]
        /// The inverse document frequency; for a word that stands in more than were looked at, judged by how close together they lie.
        let weight: Double
        let isCut: Bool

        init(_ term: String, _ last: Int64, _ condition: (sql: String, arguments: StatementArguments)?, _ db: Database) throws {
            self.term = term
            ids = try Self.rows(Self.quoted(term), above: 0, depth, condition, db)
            isCut = ids.count == depth
            let total = Double(max(last, 1))
            let frequency = isCut ? total * Double(ids.count) / Double(max(last - (ids.last ?? 0), 1)) : Double(ids.count)
            weight = max(LexicalSearch.leastWeight, log(1 + (max(total - frequency, 0) + 0.5) / (frequency + 0.5)))
        }

        /// Conversations that hold all the words.
        static func together(
            _ terms: [String], above least: Int64, _ condition: (sql: String, arguments: StatementArguments)?, _ db: Database
        ) throws -> [Int64] {
            try rows(terms.map(quoted).joined(separator: " AND "), above: least, depth, condition, db)
        }

        private static func rows(
            _ expression: String, above least: Int64, _ limit: Int, _ condition: (sql: String, arguments: StatementArguments)?,
            _ db: Database
        ) throws -> [Int64] {
            guard let condition else {
                let statement = try db.cachedStatement(
                    sql: """
                        SELECT rowid FROM conversations_fts WHERE conversations_fts MATCH ? AND rowid > ? ORDER BY rowid DESC LIMIT ?
                        """)
                return try Int64.fetchAll(statement, arguments: [expression, least, limit])
            }
            // The conversations that a filter lets through are looked for among ten times as many.
            return try Int64.fetchAll(
                db,
                sql: """
                    SELECT c.id FROM (SELECT rowid AS row FROM conversations_fts WHERE conversations_fts MATCH ? AND rowid > ?
                        ORDER BY rowid DESC LIMIT ?) JOIN conversations c ON c.id = row WHERE \(condition.sql) ORDER BY c.id DESC LIMIT ?
                    """, arguments: [expression, least, limit * 10] + condition.arguments + [limit])
        }

        /// The word as an FTS5 string: quotes make it plain text.
        private static func quoted(_ term: String) -> String { "\"" + term.replacing("\"", with: "\"\"") + "\"" }
    }
}
