import GRDB
import SystemPackage

extension MemoryStore {
    /// Puts a database in the place of what is remembered now, in one step: who reads sees the one or the other, and a crash leaves one of the
    /// two. The vector store is told of everything that changed by it.
    ///
    /// - Parameter draft: a database of a memory that nobody else uses; it is changed.
    /// - Returns: how many conversations are remembered now.
    func restore(from draft: FilePath) async throws -> Int {
        let moment = MemoryTime.text(now())
        let (project, owner) = (project.text, owner)
        return try await pool.barrierWriteWithoutTransaction { db in
            // What may have a point now, and the last number that was given.
            let points = try Int64.fetchSet(
                db,
                sql: """
                    SELECT conversation_id FROM conversation_embeddings WHERE qdrant_point_id IS NOT NULL OR attempts > 0
                    UNION SELECT point_id FROM vector_deletions
                    """)
            let created = try String.fetchOne(db, sql: "SELECT created_at FROM project") ?? moment
            let model = try String.fetchOne(db, sql: "SELECT embedding_model FROM project")
            let last = try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'conversations'") ?? 0
            let source = try DatabaseQueue(path: draft.string)
            // A backup may be older than a table of today.
            try MemorySchema.migrator.migrate(source)
            let count = try source.write { source in
                try source.execute(
                    sql: "INSERT OR IGNORE INTO project (id, project_id, owner, created_at) VALUES (1, ?, ?, ?)",
                    arguments: [project, owner, moment])
                // Since when it is his does not change by what it holds, nor do the vectors that the store has.
                try source.execute(
                    sql: "UPDATE project SET project_id = ?, owner = ?, created_at = ?, embedding_model = ?",
                    arguments: [project, owner, created, model])
                try source.execute(
                    sql: """
                        DELETE FROM conversation_embeddings; DELETE FROM vector_deletions;
                        INSERT INTO conversation_embeddings (conversation_id, qdrant_point_id, created_at)
                            SELECT id, id, '\(moment)' FROM conversations;
                        """)
                let kept = try Int64.fetchSet(source, sql: "SELECT id FROM conversations")
                for point in points.subtracting(kept) {
                    try source.cachedStatement(sql: "INSERT INTO vector_deletions (point_id, created_at) VALUES (?, ?)")
                        .execute(arguments: [point, moment])
                }
                try source.execute(sql: "DELETE FROM sqlite_sequence WHERE name = 'conversations'")
                try source.execute(
                    sql: "INSERT INTO sqlite_sequence (name, seq) VALUES ('conversations', ?)", arguments: [max(last, kept.max() ?? 0)])
                return kept.count
            }
            try source.read { try $0.backup(to: db) }
            try source.close()
            // A copy is no transaction, after which the log is looked at. Where this one fails, that is done after the next.
            try? db.execute(sql: "UPDATE project SET owner = owner")
            return count
        }
    }
}
