import GRDB
import ServiceKit
import Synchronization

/// Users, roles and keys as they are now, kept in memory and read again as soon as any process changed them.
///
/// Each request looks whether ``ChangeSignal`` tells of a change since the last answer. When it does, and every second besides, the database is
/// asked for its generation, which a change makes grow in the transaction that makes it. Times of files tell too little for that: a commit
/// writes them before its sync, and is seen only after. One question is put at a time, and a request is content with the answer to one that
/// was put after it came in, whoever put it.
public actor Identities {
    private struct Answer: Sendable {
        let snapshot: AccessSnapshot
        let asked: ContinuousClock.Instant
        /// What ``ChangeSignal`` told before it was asked for.
        let signal: UInt64?
    }

    /// So long an answer holds while nothing tells of a change.
    private static let longest: Duration = .seconds(1)
    /// A request that lasts longer asks anew.
    private static let oldest: Duration = .milliseconds(100)

    private let executor = BlockingExecutor("security.identities")
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated let database: SecurityDatabase
    private nonisolated let last = Mutex<Answer?>(nil)

    public init(_ database: SecurityDatabase) { self.database = database }

    /// - Throws: the database's error; callers treat it as “nobody may”.
    nonisolated func current() async throws -> AccessSnapshot {
        let now = ContinuousClock.now
        if let snapshot = answer(since: now - Self.longest) { return snapshot }
        let since = max(RequestScope.current?.begun ?? now, now - Self.oldest)
        return try await ask(since: since)
    }

    /// An answer that is not older, and since which nothing told of a change.
    private nonisolated func answer(since: ContinuousClock.Instant) -> AccessSnapshot? {
        guard let signal = database.changes.number else { return nil }
        return last.withLock { $0.flatMap { $0.asked >= since && $0.signal == signal ? $0.snapshot : nil } }
    }

    private func ask(since: ContinuousClock.Instant) throws -> AccessSnapshot {
        // While this waited for its turn, another may have asked.
        if let snapshot = answer(since: since) { return snapshot }
        let asked = ContinuousClock.now
        let signal = database.changes.number
        let known = last.withLock { $0?.snapshot }
        let snapshot = try database.pool.read { db in
            let generation = try Int.fetchOne(db.cachedStatement(sql: "SELECT generation FROM security_state"))
            if let known, known.generation == generation { return known }
            return try AccessSnapshot(db)
        }
        last.withLock { $0 = Answer(snapshot: snapshot, asked: asked, signal: signal) }
        return snapshot
    }
}
