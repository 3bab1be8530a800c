import Foundation
import GRDB
import Logging
import Synchronization

/// Keeps when each key was last used, to the minute. Nobody waits for it: a call only looks at a clock in memory, and once a minute a key
/// has one row written behind its back.
final class KeyUses: Sendable {
    /// Seconds between two writes for one key.
    static let interval: TimeInterval = 60

    private let database: SecurityDatabase
    private let now: @Sendable () -> Date
    private let written = Mutex<[Int64: Date]>([:])
    private let logger = Logger(label: "keys")

    init(_ database: SecurityDatabase, now: @escaping @Sendable () -> Date = { .now }) {
        self.database = database
        self.now = now
    }

    /// Notes that a key was used now.
    func note(_ key: Int64) {
        let moment = now()
        let isDue = written.withLock { written in
            guard written[key].map({ moment.timeIntervalSince($0) >= Self.interval }) ?? true else { return false }
            written[key] = moment
            return true
        }
        guard isDue else { return }
        Task { [self] in
            do {
                try await write(key, at: moment)
            } catch {
                logger.warning("the last use of a key could not be kept", metadata: ["key_id": "\(key)", "cause": "\(error)"])
            }
        }
    }

    /// Another process may have written this minute already; then a look is enough.
    private func write(_ key: Int64, at moment: Date) async throws {
        let limit = moment.addingTimeInterval(-Self.interval).sqlText
        let isKept = try await database.pool.read { db in
            try Bool.fetchOne(
                db, sql: "SELECT EXISTS (SELECT 1 FROM security_key_uses WHERE key_id = ? AND last_used_at > ?)", arguments: [key, limit])
                ?? false
        }
        guard !isKept else { return }
        try await database.pool.write { db in
            // A key may be gone by now.
            try db.execute(
                sql: """
                    INSERT INTO security_key_uses (key_id, last_used_at) SELECT key_id, ?2 FROM security_keys WHERE key_id = ?1
                    ON CONFLICT (key_id) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)
                    """, arguments: [key, moment.sqlText])
        }
    }
}
