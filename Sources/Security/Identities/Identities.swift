import GRDB
import Synchronization

/// Users, roles and keys as they are now, kept in memory and read again as soon as any process changed them.
///
/// Each call asks the database for its generation, which a change makes grow in the transaction that makes it. Times of files tell too
/// little for that: a commit writes them before its sync, and is seen only after.
public final class Identities: Sendable {
    let database: SecurityDatabase
    private let held = Mutex<AccessSnapshot?>(nil)

    public init(_ database: SecurityDatabase) { self.database = database }

    /// - Throws: the database's error; callers treat it as “nobody may”.
    func current() async throws -> AccessSnapshot {
        let last = held.withLock { $0 }
        let snapshot = try await database.pool.read { db in
            let generation = try Int.fetchOne(db.cachedStatement(sql: "SELECT generation FROM security_state"))
            if let last, last.generation == generation { return last }
            return try AccessSnapshot(db)
        }
        held.withLock { $0 = snapshot }
        return snapshot
    }
}
