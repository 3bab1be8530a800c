import Foundation
import GRDB
import ServiceKit
import SuiteAPI

/// What was asked, how long it took, what it cost. The words of a question are kept only where that was asked for; a hash is enough to
/// count by.
struct SearchLog: Sendable {
    /// `GET /analytics`.
    struct Summary: Codable, Sendable {
        struct QueryCount: Codable, Sendable {
            let query: String
            let count: Int
        }
        struct CollectionCount: Codable, Sendable {
            let collection: String
            let count: Int
        }
        let total_searches: Int
        /// In milliseconds.
        let avg_response_time: Double
        let avg_results_count: Double
        let total_tokens: Int
        let cached: Int
        let answered: Int
        /// At most ten, the most frequent first; hashes where words are not kept.
        let top_queries: [QueryCount]
        let collection_usage: [CollectionCount]
    }

    let database: AnalyticsDatabase
    let keepsWords: Bool
    let retention: Duration
    var now: @Sendable () -> Date = { .now }

    func record(_ query: String, in collection: String, _ response: QueryResponse, llmMilliseconds: Int?) async throws {
        let moment = now()
        try await database.pool.write { db in
            try db.execute(
                sql: """
                    INSERT INTO search_logs (timestamp, collection, query, query_hash, results_count, response_time_ms, llm_tokens_used,
                        llm_response_time_ms, cached, answered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    moment, collection, keepsWords ? query : nil, AnalyticsDatabase.hash([query]), response.sources.count,
                    response.response_time_ms, response.cached ? 0 : response.usage?.total_tokens ?? 0, llmMilliseconds, response.cached,
                    response.answered,
                ])
            // Rows come in the order of time, so the old ones are found at once.
            try db.execute(
                sql: "DELETE FROM search_logs WHERE timestamp < ?", arguments: [moment.addingTimeInterval(-retention.seconds)])
        }
    }

    /// The last hours in figures; zeros where nothing was asked.
    func summary(hours: Int) async throws -> Summary {
        let since = now().addingTimeInterval(-Double(hours) * 3_600)
        return try await database.pool.read { db in
            let all = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*) AS total, coalesce(avg(response_time_ms), 0) AS time, coalesce(avg(results_count), 0) AS results,
                        coalesce(sum(llm_tokens_used), 0) AS tokens, coalesce(sum(cached), 0) AS cached,
                        coalesce(sum(answered), 0) AS answered FROM search_logs WHERE timestamp >= ?
                    """, arguments: [since])
            let queries = try Row.fetchAll(
                db,
                sql: """
                    SELECT coalesce(max(query), query_hash) AS query, count(*) AS count FROM search_logs WHERE timestamp >= ?
                    GROUP BY query_hash ORDER BY count DESC, query LIMIT 10
                    """, arguments: [since])
            let collections = try Row.fetchAll(
                db,
                sql: "SELECT collection, count(*) AS count FROM search_logs WHERE timestamp >= ? GROUP BY collection ORDER BY count DESC",
                arguments: [since])
            return Summary(
                total_searches: all?["total"] ?? 0, avg_response_time: all?["time"] ?? 0, avg_results_count: all?["results"] ?? 0,
                total_tokens: all?["tokens"] ?? 0, cached: all?["cached"] ?? 0, answered: all?["answered"] ?? 0,
                top_queries: queries.map { .init(query: $0["query"], count: $0["count"]) },
                collection_usage: collections.map { .init(collection: $0["collection"], count: $0["count"]) })
        }
    }
}
