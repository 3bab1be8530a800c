import Foundation
import GRDB
import Logging
import Synchronization

/// Keeps when each key was last used, to the minute. Nobody waits for it: a call only looks at a clock in memory, and once a minute a key
/// has its row written behind its back, together with those of others.
final class KeyUses: Sendable {
    private struct State {
        /// The last use that was written, or is about to be.
        var noted: [Int64: Date] = [:]
        var pending: [Int64: Date] = [:]
        var isWriting = false
    }

    /// Seconds between two writes for one key.
    static let interval: TimeInterval = 60
    /// How long uses are gathered for one write.
    private static let gathering: Duration = .milliseconds(250)

    private let database: SecurityDatabase
    private let now: @Sendable () -> Date
    private let state = Mutex(State())
    private let logger = Logger(label: "keys")

    init(_ database: SecurityDatabase, now: @escaping @Sendable () -> Date = { .now }) {
        self.database = database
        self.now = now
    }

    /// Notes that a key was used now.
    func note(_ key: Int64) {
        let moment = now()
        let isFirst = state.withLock { state in
            guard state.noted[key].map({ moment.timeIntervalSince($0) >= Self.interval }) ?? true else { return false }
            state.noted[key] = moment
            state.pending[key] = moment
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isFirst { Task { await write() } }
    }

    private func write() async {
        while true {
            try? await Task.sleep(for: Self.gathering)
            let uses = state.withLock { state in
                defer { state.pending = [:] }
                state.isWriting = !state.pending.isEmpty
                return state.pending
            }
            guard !uses.isEmpty else { return }
            do {
                try await database.pool.write { db in for (key, moment) in uses { try Self.write(key, moment, db) } }
            } catch {
                logger.warning("the last uses of keys could not be kept", metadata: ["keys": "\(uses.count)", "cause": "\(error)"])
            }
        }
    }

    /// Another process may have written this minute already, and the key may be gone by now.
    private static func write(_ key: Int64, _ moment: Date, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO security_key_uses (key_id, last_used_at) SELECT key_id, ?2 FROM security_keys WHERE key_id = ?1
                ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at WHERE last_used_at <= ?3
                """, arguments: [key, moment.sqlText, moment.addingTimeInterval(-interval).sqlText])
    }
}
