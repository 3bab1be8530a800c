import Foundation
import GRDB
import ServiceKit
import Suite
import SuiteAPI

/// Answers that are given again to the same question, as long as nothing they rest on has changed.
struct AnswerCache: Sendable {
    /// Everything an answer rests on. A document that changes gives its collection a new version, and so every answer a new key.
    struct Key: Sendable {
        let hash: String
        let collection: String

        init(_ question: String, collection: String, version: Int, limit: Int, settings: Settings) {
            self.collection = collection
            let text = question.precomposedStringWithCanonicalMapping.trimmingCharacters(in: .whitespacesAndNewlines)
            let parameters: [any SettingDescription] = [
                SettingKeys.chatAlias, SettingKeys.chatModel, SettingKeys.embeddingModel, SettingKeys.ragContextTokens,
                SettingKeys.ragLLMMaxTokens, SettingKeys.ragLLMTemperature,
            ]
            hash = AnalyticsDatabase.hash(
                [text, collection, String(version), String(limit), String(AnswerPrompt.recipe)]
                    + parameters.map { settings.resolved($0).text })
        }
    }

    /// `GET /cache/stats`.
    struct Statistics: Codable, Sendable {
        let total_entries: Int
        let avg_access_count: Double
        let active_entries: Int
        let expired_entries: Int
    }

    /// Entries that are kept; past it the ones that end first go.
    static let capacity = 10_000

    let database: AnalyticsDatabase
    /// How long an answer may be given again; zero for never.
    let lifetime: Duration
    var now: @Sendable () -> Date = { .now }

    /// The kept answer, if there is one that still holds.
    func answer(for key: Key) async throws -> QueryResponse? {
        guard lifetime > .zero else { return nil }
        let moment = now()
        let kept = try await database.pool.read { db in
            try Data.fetchOne(
                db, sql: "SELECT response FROM query_cache WHERE query_hash = ? AND expires_at > ?", arguments: [key.hash, moment])
        }
        return kept.flatMap { try? JSONDecoder().decode(QueryResponse.self, from: $0) }
    }

    /// Counts that a kept answer was given again.
    func countUse(of key: Key) async throws {
        let moment = now()
        try await database.pool.write { db in
            try db.execute(
                sql: "UPDATE query_cache SET accessed_count = accessed_count + 1, last_accessed = ? WHERE query_hash = ?",
                arguments: [moment, key.hash])
        }
    }

    /// Keeps an answer. That there is none is not kept: the next document may hold it.
    func keep(_ response: QueryResponse, for key: Key) async throws {
        guard lifetime > .zero, response.answered else { return }
        let moment = now()
        let data = try JSONEncoder.wire.encode(response)
        try await database.pool.write { db in
            try db.execute(
                sql: """
                    INSERT INTO query_cache (query_hash, collection, response, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (query_hash) DO UPDATE SET response = excluded.response, created_at = excluded.created_at,
                        expires_at = excluded.expires_at
                    """, arguments: [key.hash, key.collection, data, moment, moment.addingTimeInterval(lifetime.seconds)])
            try db.execute(
                sql: "DELETE FROM query_cache WHERE id IN (SELECT id FROM query_cache ORDER BY expires_at DESC LIMIT -1 OFFSET ?)",
                arguments: [Self.capacity])
        }
    }

    func statistics() async throws -> Statistics {
        let moment = now()
        return try await database.pool.read { db in
            let row = try Row.fetchOne(
                db,
                sql:
                    "SELECT count(*) AS total, coalesce(avg(accessed_count), 0) AS mean, count(*) FILTER (WHERE expires_at > ?) AS active FROM query_cache",
                arguments: [moment])
            let (total, active): (Int, Int) = (row?["total"] ?? 0, row?["active"] ?? 0)
            return Statistics(
                total_entries: total, avg_access_count: row?["mean"] ?? 0, active_entries: active, expired_entries: total - active)
        }
    }

    /// - Returns: how many entries were removed.
    func clear() async throws -> Int {
        try await database.pool.write { db in
            try db.execute(sql: "DELETE FROM query_cache")
            return db.changesCount
        }
    }

    /// Removes what has ended.
    ///
    /// - Returns: how many entries were removed.
    func purge() async throws -> Int {
        let moment = now()
        return try await database.pool.write { db in
            try db.execute(sql: "DELETE FROM query_cache WHERE expires_at <= ?", arguments: [moment])
            return db.changesCount
        }
    }
}
