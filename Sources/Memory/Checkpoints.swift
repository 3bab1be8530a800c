import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Brings what was written from the log of a database into its file (https://www.sqlite.org/wal.html#ckpt), on a connection of its own:
/// that waits for the disk, and who saves would wait with it.
///
/// The log begins anew only when nothing of it is missing in the file. While somebody writes all the time, something always is; once the log
/// is long, who writes is held back for a moment, in which the last of it is brought there. A disk may take half a second for that. It goes on
/// without the writer waiting for it then, and the next run tries again; only when the log is very long does the writer wait for the end.
///
/// A checkpoint is begun only while something of the log is missing in the file. Only this connection brings it there, so nobody can make the
/// log begin anew under it, which SQLite before 3.51.3 does not bear (https://www.sqlite.org/wal.html#walresetbug). That does not hold while a
/// project has two stores, as ``Projects`` allows to one that it let go of while somebody is at work in it.
final class Checkpoints: TransactionObserver, Sendable {
    /// How far the log may grow while somebody writes all the time, unless somebody else still reads what was before it.
    struct Bounds {
        /// Pages from which on who writes is held back while the last of it is brought into the file: 128 MiB. Who reads looks through what is
        /// not in the file alone, so a long log costs its room, and the time to read it once after the process was killed.
        var long = 32_768
        /// How long they are held back at the most.
        var patience = DispatchTimeInterval.milliseconds(30)
        /// Pages from which on they are held back for as long as it takes: 1 GiB.
        var longest = 262_144
    }

    private struct State {
        /// Pages of the log after the last transaction.
        var length = 0
        /// Pages of the log that are in the file, as the last run found.
        var done = 0
        var isAtWork = false
        var isClosed = false
        /// Why the last run failed.
        var problem: (any Error)?
    }

    /// Pages of the log that are not in the file from which on it is worth it.
    private static let worthwhile = 1_000

    private let side: DatabaseQueue
    private let bounds: Bounds
    private weak let pool: DatabasePool?
    private let state = Mutex(State())

    private init(of pool: DatabasePool, bounds: Bounds) throws {
        self.bounds = bounds
        var configuration = Configuration()
        configuration.label = "memory.checkpoints"
        side = try DatabaseQueue(path: pool.path, configuration: configuration)
        self.pool = pool
    }

    /// Does that for a database from now on, for as long as it is open.
    static func begin(for pool: DatabasePool, bounds: Bounds = Bounds()) throws -> Checkpoints {
        let checkpoints = try Checkpoints(of: pool, bounds: bounds)
        // The connection holds on to it, and so it is there for as long as the hook may be called.
        pool.add(transactionObserver: checkpoints, extent: .databaseLifetime)
        pool.writeWithoutTransaction { db in
            _ = sqlite3_wal_hook(
                db.sqliteConnection,
                { context, _, _, pages in
                    if let context { Unmanaged<Checkpoints>.fromOpaque(context).takeUnretainedValue().note(Int(pages)) }
                    return SQLITE_OK
                }, Unmanaged.passUnretained(checkpoints).toOpaque())
        }
        return checkpoints
    }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidCommit(_ db: Database) {}
    func databaseDidRollback(_ db: Database) {}

    /// Takes in how many pages the log has after a transaction (https://www.sqlite.org/c3ref/wal_hook.html).
    private func note(_ pages: Int) {
        state.withLock { state in
            if pages < state.done { state.done = 0 }
            state.length = pages
            guard !state.isClosed, !state.isAtWork, pages - state.done >= Self.worthwhile else { return }
            state.isAtWork = true
            // Put in the queue while nobody can close it in between.
            side.asyncWriteWithoutTransaction { db in self.end(Result { try self.bring(db) }) }
        }
    }

    /// - Returns: how many pages of the log are in the file.
    private func bring(_ db: Database) throws -> Int {
        let before = state.withLock { $0.done }
        let done = try db.checkpoint(.passive).checkpointedFrameCount
        let length = state.withLock { $0.length }
        // Where nothing got there, somebody reads what was before it.
        guard length >= bounds.long, done > before, let pool else { return done }
        let writer = HeldWriter(of: pool, atMost: length < bounds.longest ? bounds.patience : .never)
        defer { writer.release() }
        // Only while something is missing, as above: who writes may have been let go already.
        guard state.withLock({ $0.length }) > done else { return done }
        return try db.checkpoint(.passive).checkpointedFrameCount
    }

    private func end(_ outcome: Result<Int, any Error>) {
        state.withLock { state in
            state.isAtWork = false
            switch outcome {
            case .success(let done): (state.done, state.problem) = (done, nil)
            // Another has it open and is at it.
            case .failure(let error as DatabaseError) where error.resultCode == .SQLITE_BUSY: break
            case .failure(let error): state.problem = error
            }
        }
    }

    /// Waits while it is at work. Who writes much and did not wait would make the log longer than it becomes shorter.
    ///
    /// - Throws: why the last of it failed, once. Nothing is lost by that, and it is tried again when there is more of it.
    func finished() async throws {
        if state.withLock({ $0.isAtWork && !$0.isClosed }) {
            try await side.writeWithoutTransaction { _ in }
        }
        let problem = state.withLock { state in
            defer { state.problem = nil }
            return state.problem
        }
        if let problem { throw problem }
    }

    /// Lets go of the file.
    func close() throws {
        state.withLock { $0.isClosed = true }
        try side.close()
    }
}
