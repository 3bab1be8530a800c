import Foundation
import GRDB
import ServiceKit
import Suite
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `DATA_DIR/sqlite/security.db`: users, roles, keys, approvals and the audit log.
///
/// Several processes have it open at once: every service, and commands. What is written is on the disk before the writer goes on
/// (`synchronous=FULL`, https://www.sqlite.org/pragma.html#pragma_synchronous): a decision must survive a power cut.
public struct SecurityDatabase: Sendable {
    let pool: DatabasePool
    /// For what lies in the same database and brings its own queries.
    public var writer: any DatabaseWriter { pool }
    let path: FilePath
    /// Grows when who may do what is changed.
    let changes: ChangeSignal

    /// Opens the database, makes it on first use, and brings its tables and seeds up to date. Of several processes that do so at once, each
    /// finds it whole. The audit log's anchor is made with it.
    ///
    /// - Throws: the file system's or the database's error.
    public static func open(_ settings: Settings) async throws -> SecurityDatabase {
        let folders = settings.dataFolders
        return try await offPool {
            let database = try SecurityDatabase(folders.sqlite.appending("security.db"))
            let isLogEmpty = try database.pool.read { db in
                try Bool.fetchOne(
                    db, sql: "SELECT last_id = 0 AND NOT EXISTS (SELECT 1 FROM security_audit_logs) FROM security_audit_head") ?? false
            }
            try AuditAnchor.establish(folders, isLogEmpty: isLogEmpty)
            return database
        }
    }

    init(_ path: FilePath) throws {
        let folder = path.removingLastComponent()
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Migrations look before they leap, but not together with others: one process at a time.
        let lock = try FileDescriptor.open(
            folder.appending("security.lock"), .readWrite, options: [.create], permissions: [.ownerRead, .ownerWrite])
        (pool, changes) = try lock.closeAfter {
            guard flock(lock.rawValue, LOCK_EX) == 0 else { throw Errno(rawValue: errno) }
            return try Self.opened(path)
        }
        self.path = path
    }

    private static func opened(_ path: FilePath) throws -> (DatabasePool, ChangeSignal) {
        if !FileManager.default.fileExists(atPath: path.string) {
            try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: [.ownerRead, .ownerWrite]).close()
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.label = "security"
        let pool = try DatabasePool(path: path.string, configuration: configuration)
        // A pool sets NORMAL when it turns WAL on, so this comes after.
        try pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
        let changes = try ChangeSignal(path.removingLastComponent().appending("security.changes"), of: path)
        pool.add(transactionObserver: changes, extent: .databaseLifetime)
        try SecuritySchema.migrator.migrate(pool)
        try pool.write(SecuritySeed.plant)
        return (pool, changes)
    }

    /// Whether it can be read.
    public func ping() async throws { _ = try await generation() }

    /// Grows with every change of users, roles, permissions or keys, whichever process made it.
    func generation() async throws -> Int {
        try await pool.read { db in try Int.fetchOne(db, sql: "SELECT generation FROM security_state") ?? 0 }
    }
}

extension Date {
    /// UTC as SQLite's own functions write it, with milliseconds; such texts sort as their times do.
    var sqlText: String {
        formatted(.iso8601.year().month().day().dateTimeSeparator(.space).time(includingFractionalSeconds: true))
    }

    /// Reads what ``sqlText`` writes, and SQLite's `datetime('now')`.
    init?(sqlText: String) {
        let style = Date.ISO8601FormatStyle().year().month().day().dateTimeSeparator(.space)
        let parsed =
            (try? style.time(includingFractionalSeconds: true).parse(sqlText))
            ?? (try? style.time(includingFractionalSeconds: false).parse(sqlText))
        guard let parsed else { return nil }
        self = parsed
    }
}
