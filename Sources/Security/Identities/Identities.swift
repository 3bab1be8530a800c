import GRDB
import Synchronization

/// Users, roles and keys as they are now, kept in memory and read again as soon as any process changed them.
///
/// Each call asks the database for its generation, which a change makes grow in the transaction that makes it. Times of files tell too
/// little for that: a commit writes them before its sync, and is seen only after. Calls that come together ask together: whoever comes
/// before a question is put shares its answer.
public final class Identities: Sendable {
    private struct State {
        var held: AccessSnapshot?
        /// The question that was put last, or is about to be.
        var last: Task<AccessSnapshot, any Error>?
        /// The one that is not put yet.
        var next: Task<AccessSnapshot, any Error>?
    }

    let database: SecurityDatabase
    private let state = Mutex(State())

    public init(_ database: SecurityDatabase) { self.database = database }

    /// - Throws: the database's error; callers treat it as “nobody may”.
    func current() async throws -> AccessSnapshot {
        let question = state.withLock { state in
            if let next = state.next { return next }
            let before = state.last
            let next = Task {
                _ = await before?.result
                return try await read()
            }
            (state.last, state.next) = (next, next)
            return next
        }
        return try await question.value
    }

    private func read() async throws -> AccessSnapshot {
        let last = state.withLock { state in
            state.next = nil
            return state.held
        }
        let snapshot = try await database.pool.read { db in
            let generation = try Int.fetchOne(db.cachedStatement(sql: "SELECT generation FROM security_state"))
            if let last, last.generation == generation { return last }
            return try AccessSnapshot(db)
        }
        state.withLock { $0.held = snapshot }
        return snapshot
    }
}
