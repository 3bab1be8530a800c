import Foundation
import GRDB
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Users, roles and keys as they are now, kept in memory and read again as soon as any process changed them.
///
/// The database's files are looked at on every call, which costs a microsecond: while nothing was written, nothing can have changed. A
/// clock of files may tick once for two writes, so what is held is also checked every second.
public final class Identities: Sendable {
    private struct Held {
        let snapshot: AccessSnapshot
        let mark: FileMark
        let checked: ContinuousClock.Instant
    }

    private let database: SecurityDatabase
    private let held = Mutex<Held?>(nil)

    public init(_ database: SecurityDatabase) { self.database = database }

    /// - Throws: the database's error; callers treat it as “nobody may”.
    func current() async throws -> AccessSnapshot {
        let mark = FileMark(database.path)
        let now = ContinuousClock.now
        let last = held.withLock { $0 }
        if let last, last.mark == mark, last.checked.duration(to: now) < .seconds(1) { return last.snapshot }
        let snapshot: AccessSnapshot
        if let last, try await database.generation() == last.snapshot.generation {
            snapshot = last.snapshot
        } else {
            snapshot = try await database.pool.read(AccessSnapshot.init)
        }
        held.withLock { held in
            // A slower reader must not put back what a faster one has replaced.
            guard (held?.snapshot.generation ?? 0) <= snapshot.generation else { return }
            held = Held(snapshot: snapshot, mark: mark, checked: now)
        }
        return snapshot
    }
}

/// What tells that a database's files were written to.
struct FileMark: Equatable {
    private let parts: [Int64]

    init(_ path: FilePath) {
        parts = [path.string, path.string + "-wal"].flatMap { file -> [Int64] in
            var info = stat()
            guard stat(file, &info) == 0 else { return [-1] }
            #if canImport(Glibc)
                let time = info.st_mtim
            #else
                let time = info.st_mtimespec
            #endif
            return [Int64(info.st_size), Int64(time.tv_sec), Int64(time.tv_nsec), Int64(bitPattern: UInt64(info.st_ino))]
        }
    }
}
