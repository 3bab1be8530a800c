import Crypto
import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// `rag_analytics.db`: what was asked and how it went, and answers that may be given again. Everything in it has an end.
struct AnalyticsDatabase: Sendable {
    let pool: DatabasePool

    init(path: FilePath) throws {
        try FileManager.default.createDirectory(atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
        pool = try DatabasePool(path: path.string)
        var migrator = DatabaseMigrator()
        migrator.registerMigration("search log and answer cache") { db in
            try db.execute(
                sql: """
                    CREATE TABLE search_logs (id INTEGER PRIMARY KEY, timestamp DATETIME NOT NULL, collection TEXT NOT NULL, query TEXT,
                        query_hash TEXT NOT NULL, results_count INTEGER NOT NULL, response_time_ms INTEGER NOT NULL,
                        llm_tokens_used INTEGER NOT NULL, llm_response_time_ms INTEGER, cached INTEGER NOT NULL, answered INTEGER NOT NULL);
                    CREATE INDEX search_logs_by_time ON search_logs (timestamp);
                    CREATE TABLE query_cache (id INTEGER PRIMARY KEY, query_hash TEXT NOT NULL UNIQUE, collection TEXT NOT NULL,
                        response BLOB NOT NULL, created_at DATETIME NOT NULL, accessed_count INTEGER NOT NULL DEFAULT 0,
                        last_accessed DATETIME, expires_at DATETIME NOT NULL);
                    CREATE INDEX query_cache_by_end ON query_cache (expires_at);
                    """)
        }
        try migrator.migrate(pool)
    }

    /// Gives the space of what was removed back to the file system.
    func vacuum() async throws { try await pool.vacuum() }

    /// What a text is counted under when the text itself is not to be kept: 128 bits of its SHA-256, in hex.
    static func hash(_ parts: [String]) -> String {
        SHA256.hash(data: Data(parts.joined(separator: "\u{0}").utf8)).prefix(16).hex
    }
}
