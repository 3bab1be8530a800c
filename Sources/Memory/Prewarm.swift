import GRDB
import GRDBSQLite
import ServiceKit
import ServiceLifecycle

/// Reads memories into the system's cache of files when the service begins, those that were used last first.
///
/// What nobody used for a while is on the disk alone. Whoever searches or saves then waits for pages of it one after the other, each for as
/// long as the disk takes; one pass over the file brings them all in at the disk's full speed.
struct Prewarm: Service {
    let projects: Projects

    func run() async throws {
        try? await cancelWhenGracefulShutdown(readAll)
        try? await gracefulShutdown()
    }

    private func readAll() async throws {
        var left = Self.room
        for project in try await projects.byLastUse().prefix(Projects.mostOpen) {
            try Task.checkCancellation()
            // What cannot be opened or read is told of by who needs it.
            guard let store = try? await projects.current(project) else { continue }
            left -= (try? await store.prewarm(atMost: left)) ?? 0
        }
    }

    /// How many bytes may be read in: the rest of what is free is for models and vectors.
    static var room: Int64 {
        let memory = HostMemory.read()
        return Int64(clamping: (memory.available ?? memory.total / 2) / 4)
    }
}

extension MemoryStore {
    /// Reads the file of the database into the system's cache, unless it is too long.
    ///
    /// - Parameter bytes: the longest that is read.
    /// - Returns: how many bytes were read.
    @discardableResult
    func prewarm(atMost bytes: Int64 = Prewarm.room) async throws -> Int64 {
        var read: Int64 = 0
        while let count = try await pool.unsafeRead({ [read] db in try DatabaseFile(of: db).readPiece(at: read, unlessLongerThan: bytes) })
        {
            read += count
            try Task.checkCancellation()
        }
        return read
    }
}

/// The file of a connection, by the descriptor that SQLite has open: to open and close it once more would let go of the locks that SQLite
/// holds on it (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
private struct DatabaseFile {
    private let file: UnsafeMutablePointer<sqlite3_file>
    private let methods: sqlite3_io_methods

    private static let block = 1 << 20
    private static let blocks = 16

    init(of db: Database) throws {
        guard let connection = db.sqliteConnection else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
        var file: UnsafeMutablePointer<sqlite3_file>?
        try Self.check(sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file))
        guard let file, let methods = file.pointee.pMethods else { throw DatabaseError(resultCode: .SQLITE_CANTOPEN) }
        (self.file, self.methods) = (file, methods.pointee)
    }

    /// - Returns: how many bytes were read; `nil` behind the end, and of a file that is too long.
    func readPiece(at start: Int64, unlessLongerThan longest: Int64) throws -> Int64? {
        var size: sqlite3_int64 = 0
        try Self.check(methods.xFileSize(file, &size))
        guard start < size, size <= longest else { return nil }
        let end = min(size, start + Int64(Self.block * Self.blocks))
        try withUnsafeTemporaryAllocation(byteCount: Self.block, alignment: 1) { buffer in
            for offset in stride(from: start, to: end, by: Self.block) {
                let code = methods.xRead(file, buffer.baseAddress, Int32(min(Int64(Self.block), end - offset)), offset)
                // The file may have become shorter meanwhile.
                if ResultCode(rawValue: code) != .SQLITE_IOERR_SHORT_READ { try Self.check(code) }
            }
        }
        return end - start
    }

    private static func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
}
