import Foundation
import GRDB
import ServiceKit

/// What the vector store has yet to be told: the outbox. It is filled in the transactions that change conversations, so it misses nothing;
/// what is taken from it and not finished comes again.
extension MemoryStore {
    /// A change of the queue, as `sync/queue` shows it.
    struct QueueEntry: Sendable, Codable {
        let conversation_id: Int64
        /// `upsert` or `delete`.
        let action: String
        let sync_status: String
        let attempts: Int
        let next_attempt_at: String?
        let last_error: String?
        let created_at: String

        /// All of it, what is not there as `null`.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(conversation_id, forKey: .conversation_id)
            try container.encode(action, forKey: .action)
            try container.encode(sync_status, forKey: .sync_status)
            try container.encode(attempts, forKey: .attempts)
            try container.encode(next_attempt_at, forKey: .next_attempt_at)
            try container.encode(last_error, forKey: .last_error)
            try container.encode(created_at, forKey: .created_at)
        }
    }

    /// By the index over what waits, for which the condition has to be its own (https://www.sqlite.org/partialindex.html). Left to itself,
    /// SQLite looks at every row once the index was long when the tables were analysed.
    private static let waiting = "conversation_embeddings INDEXED BY conversation_embeddings_waiting"

    /// The longest that a failed one waits.
    private static let longestWait: TimeInterval = 900

    /// Of a long queue the newest are looked at, among which the most important come first.
    private static let window = 2_000

    /// The next conversations whose vectors have to be written, the most important first. From now on each may have a point, so that its
    /// removal will be told to the store, too.
    ///
    /// - Parameters:
    ///   - last: the greatest number that is taken.
    ///   - due: when they have to be due at the latest: what is put off after that is not taken.
    func takePending(_ count: Int, upTo last: Int64, due: Date) async throws -> [Conversation] {
        let moment = MemoryTime.text(due)
        // Choosing may take a while, and who writes does not wait for it.
        let chosen = try await pool.read { db in
            try Int64.fetchAll(
                db,
                sql: """
                    SELECT c.id FROM (
                        SELECT e.conversation_id AS id FROM conversation_embeddings e INDEXED BY conversation_embeddings_waiting
                        JOIN conversations c ON c.id = e.conversation_id
                        WHERE e.sync_status <> 'synced' AND e.conversation_id <= ?4 AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= ?1)
                            AND (c.expires_at IS NULL OR c.expires_at > ?1)
                        ORDER BY e.conversation_id DESC LIMIT ?2
                    ) w JOIN conversations c ON c.id = w.id ORDER BY c.importance_score DESC, c.id LIMIT ?3
                    """, arguments: [moment, Self.window, count, last])
        }
        guard !chosen.isEmpty else { return [] }
        return try await pool.write { db in
            try chosen.compactMap { id in
                try db.cachedStatement(
                    sql:
                        "UPDATE conversation_embeddings SET attempts = attempts + 1, qdrant_point_id = conversation_id WHERE conversation_id = ?"
                ).execute(arguments: [id])
                // One that was deleted meanwhile is none any more.
                return try Conversation.fetchOne(
                    try db.cachedStatement(sql: "SELECT * FROM conversations WHERE id = ?"), arguments: [id])
            }
        }
    }

    /// The number of the newest conversation; 0 when there is none.
    func lastConversation() async throws -> Int64 {
        try await pool.read { db in try Self.lastConversation(db) }
    }

    static func lastConversation(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db.cachedStatement(sql: "SELECT coalesce(max(id), 0) FROM conversations")) ?? 0
    }

    /// Notes that the store holds the vectors of conversations. One that was changed meanwhile stays in the queue.
    func finish(_ conversations: [Conversation]) async throws {
        let moment = MemoryTime.text(now())
        try await pool.write { db in
            for conversation in conversations {
                try db.cachedStatement(
                    sql: """
                        UPDATE conversation_embeddings SET sync_status = 'synced', attempts = 0, next_attempt_at = NULL, last_error = NULL,
                            synced_at = ?1
                        WHERE conversation_id = ?2 AND EXISTS (SELECT 1 FROM conversations WHERE id = ?2 AND updated_at = ?3)
                        """
                ).execute(arguments: [moment, conversation.id, conversation.updatedAt])
            }
        }
    }

    /// Gives conversations back that were taken while a service went away: they are due as soon as it is there again.
    func giveBack(_ conversations: [Conversation], for reason: String) async throws {
        try await pool.write { db in
            for conversation in conversations {
                try db.execute(
                    sql: """
                        UPDATE conversation_embeddings SET sync_status = 'failed', next_attempt_at = NULL, last_error = ?
                        WHERE conversation_id = ?
                        """, arguments: [String(reason.prefix(500)), conversation.id])
            }
        }
    }

    /// How many were put off and were not due yet at a moment.
    func putOff(after moment: Date) async throws -> Int {
        try await pool.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM \(Self.waiting) WHERE sync_status <> 'synced' AND next_attempt_at > ?",
                arguments: [MemoryTime.text(moment)]) ?? 0
        }
    }

    /// Puts conversations off that were refused: twice as long each time.
    func putOff(_ conversations: [Conversation], for reason: String) async throws {
        let moment = now()
        try await pool.write { db in
            for conversation in conversations {
                let attempts =
                    try Int.fetchOne(
                        db, sql: "SELECT attempts FROM conversation_embeddings WHERE conversation_id = ?", arguments: [conversation.id])
                    ?? 1
                let wait = min(pow(2, Double(min(attempts, 16))), Self.longestWait)
                try db.execute(
                    sql: """
                        UPDATE conversation_embeddings SET sync_status = 'failed', next_attempt_at = ?, last_error = ? WHERE conversation_id = ?
                        """,
                    arguments: [MemoryTime.text(moment.addingTimeInterval(wait)), String(reason.prefix(500)), conversation.id])
            }
        }
    }

    /// Points that have to go from the store.
    func pendingDeletions(_ count: Int) async throws -> [Int64] {
        try await pool.read { db in
            try Int64.fetchAll(db, sql: "SELECT point_id FROM vector_deletions ORDER BY point_id LIMIT ?", arguments: [count])
        }
    }

    func finishDeletions(_ points: [Int64]) async throws {
        try await pool.write { db in
            for point in points {
                try db.cachedStatement(sql: "DELETE FROM vector_deletions WHERE point_id = ?").execute(arguments: [point])
            }
        }
    }

    /// Makes everything that failed due again.
    func retryNow() async throws -> Int {
        try await pool.write { db in
            try db.execute(
                sql: """
                    UPDATE \(Self.waiting) SET sync_status = 'pending', next_attempt_at = NULL
                    WHERE sync_status <> 'synced' AND sync_status = 'failed'
                    """)
            return db.changesCount
        }
    }

    /// Queues what the store holds once more: it is to be written anew. A piece at a time, and looking for it goes beside whoever writes
    /// meanwhile, so that he does not wait long.
    func queueAll() async throws {
        var last: Int64 = 0
        while true {
            let piece = try await pool.read { [last] db in
                try Int64.fetchAll(
                    db,
                    sql: """
                        SELECT conversation_id FROM conversation_embeddings WHERE conversation_id > ? AND sync_status = 'synced'
                        ORDER BY conversation_id LIMIT ?
                        """, arguments: [last, Self.requeued])
            }
            guard let greatest = piece.last else { return }
            try await pool.write { db in
                let queue = try db.cachedStatement(
                    sql: "UPDATE conversation_embeddings SET sync_status = 'pending' WHERE conversation_id = ? AND sync_status = 'synced'")
                for id in piece { try queue.execute(arguments: [id]) }
            }
            last = greatest
        }
    }

    private static let requeued = 1_000

    /// The embedding model that made the vectors in the store; `nil` before the first.
    func embeddingModel() async throws -> String? {
        try await pool.read { db in try String.fetchOne(db.cachedStatement(sql: "SELECT embedding_model FROM project")) }
    }

    func setEmbeddingModel(_ model: String) async throws {
        try await pool.write { db in try db.execute(sql: "UPDATE project SET embedding_model = ?", arguments: [model]) }
    }

    /// How long the queue is.
    func queueSize() async throws -> Int { try await pool.read(queueSize) }

    /// What is past its time is not told to the store any more, and does not count; while very much waits, that is not looked at.
    func queueSize(_ db: Database) throws -> Int {
        let deletions = try Int.fetchOne(db, sql: "SELECT count(*) FROM vector_deletions") ?? 0
        let waiting = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(Self.waiting) WHERE sync_status <> 'synced'") ?? 0
        guard (1...Self.window).contains(waiting) else { return waiting + deletions }
        let alive = try Int.fetchOne(
            db,
            sql: """
                SELECT count(*) FROM \(Self.waiting) WHERE sync_status <> 'synced'
                    AND NOT EXISTS (SELECT 1 FROM conversations WHERE id = conversation_id AND expires_at <= ?)
                """, arguments: [MemoryTime.text(now())])
        return (alive ?? 0) + deletions
    }

    /// The queue: how long it is, and its beginning.
    func queue(_ count: Int) async throws -> (size: Int, entries: [QueueEntry]) {
        try await pool.read { db in
            let size = try queueSize(db)
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT point_id AS id, 'delete' AS action, 'pending' AS status, attempts, next_attempt_at, last_error, created_at, 0 AS rank
                    FROM vector_deletions
                    UNION ALL
                    SELECT e.conversation_id, 'upsert', e.sync_status, e.attempts, e.next_attempt_at, e.last_error, e.created_at,
                        11 - c.importance_score
                    FROM conversation_embeddings e INDEXED BY conversation_embeddings_waiting
                    JOIN conversations c ON c.id = e.conversation_id WHERE e.sync_status <> 'synced'
                        AND (c.expires_at IS NULL OR c.expires_at > ?)
                    ORDER BY rank, created_at LIMIT ?
                    """, arguments: [MemoryTime.text(now()), count])
            return (
                size,
                rows.map { row in
                    QueueEntry(
                        conversation_id: row["id"], action: row["action"], sync_status: row["status"], attempts: row["attempts"],
                        next_attempt_at: row["next_attempt_at"], last_error: row["last_error"], created_at: row["created_at"])
                }
            )
        }
    }

    /// Conversations whose points the store holds for certain, and those whose points may be on their way there or from there.
    func pointsExpected() async throws -> (synced: Set<Int64>, queued: Set<Int64>) {
        try await pool.read { db in
            let synced = try Int64.fetchSet(db, sql: "SELECT conversation_id FROM conversation_embeddings WHERE sync_status = 'synced'")
            let queued = try Int64.fetchSet(
                db,
                sql: """
                    SELECT conversation_id FROM conversation_embeddings WHERE sync_status <> 'synced' UNION SELECT point_id FROM vector_deletions
                    """)
            return (synced, queued)
        }
    }
}
