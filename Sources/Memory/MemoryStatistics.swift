import Foundation
import GRDB
import ServiceKit

/// What a project's memory holds, in numbers (spec/05 §5.6 of the reference system).
struct MemoryStatistics: Sendable, Codable {
    let total_conversations: Int
    /// `nil` in an empty memory.
    let avg_importance: Double?
    let oldest_conversation: String?
    let latest_conversation: String?
    /// Conversations by level; every level is there.
    let importance_distribution: [String: Int]
    let model_usage: [String: Int]
    /// Conversations whose vector is not in the store yet, and vectors that have to go from it.
    let pending_vectors: Int

    /// All of it, what is not there as `null`.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(total_conversations, forKey: .total_conversations)
        try container.encode(avg_importance, forKey: .avg_importance)
        try container.encode(oldest_conversation, forKey: .oldest_conversation)
        try container.encode(latest_conversation, forKey: .latest_conversation)
        try container.encode(importance_distribution, forKey: .importance_distribution)
        try container.encode(model_usage, forKey: .model_usage)
        try container.encode(pending_vectors, forKey: .pending_vectors)
    }
}

extension MemoryStore {
    /// How many conversations there are, those whose time has passed included.
    ///
    /// Counted a piece at a time, since nothing that was written meanwhile gets into the database's file while somebody reads (``Checkpoints``),
    /// and by what is shortest: each has one row there. So it is not the number of one moment.
    func count(atOnce: Int = 50_000) async throws -> Int {
        var (count, last): (Int, Int64?) = (0, .min)
        while let after = last {
            let piece: (count: Int, last: Int64?) = try await pool.read { db in
                let row = try Row.fetchOne(
                    db,
                    sql: """
                        SELECT count(*) AS count, max(conversation_id) AS last FROM (
                            SELECT conversation_id FROM conversation_embeddings WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?)
                        """, arguments: [after, atOnce])
                return (row?["count"] ?? 0, row?["last"])
            }
            count += piece.count
            last = piece.last
        }
        return count
    }

    /// When the project was begun.
    func beginning() async throws -> Date {
        try await pool.read { db in try String.fetchOne(db, sql: "SELECT created_at FROM project").flatMap(MemoryTime.date) ?? .distantPast
        }
    }

    /// Of conversations whose time has not passed.
    func statistics() async throws -> MemoryStatistics {
        let condition = MemoryFilter().condition(at: now())
        return try await pool.read { db in
            let levels = try Row.fetchAll(
                db, sql: "SELECT c.importance_score AS level, count(*) AS count FROM conversations c WHERE \(condition.sql) GROUP BY 1",
                arguments: condition.arguments)
            let models = try Row.fetchAll(
                db,
                sql: """
                    SELECT coalesce(c.model_used, 'unknown') AS model, count(*) AS count FROM conversations c WHERE \(condition.sql)
                    GROUP BY 1 ORDER BY 2 DESC LIMIT 100
                    """, arguments: condition.arguments)
            let times = try Row.fetchOne(
                db, sql: "SELECT min(c.timestamp) AS first, max(c.timestamp) AS last FROM conversations c WHERE \(condition.sql)",
                arguments: condition.arguments)
            let counts = levels.reduce(into: [Int: Int]()) { $0[$1["level"]] = $1["count"] }
            let total = counts.values.reduce(0, +)
            let pending = try queueSize(db)
            return MemoryStatistics(
                total_conversations: total,
                avg_importance: total == 0 ? nil : Double(counts.map { $0.key * $0.value }.reduce(0, +)) / Double(total),
                oldest_conversation: times?["first"], latest_conversation: times?["last"],
                importance_distribution: Dictionary(uniqueKeysWithValues: Importance.range.map { ("\($0)", counts[$0] ?? 0) }),
                model_usage: models.reduce(into: [:]) { $0[$1["model"]] = $1["count"] }, pending_vectors: pending)
        }
    }
}
