import Crypto
import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// A copy of a project's memory as it was at one moment: `backups/daily/<project>_<day>.db` below `DATA_DIR/memory`, a database like the
/// live one. Each is opened and compared when it is made: a copy that nobody could restore is no backup, and does not take the place of one.
struct MemoryBackup: Sendable {
    /// What was copied, and that it is the same.
    struct Made: Sendable, Codable {
        let path: String
        let bytes: Int
        let conversations: Int
        /// SHA-256 over all conversations, equal in the live database and in the copy.
        let digest: String
    }

    /// `DATA_DIR/memory/backups`.
    let folder: FilePath

    private var daily: FilePath { folder.appending("daily") }

    /// Makes today's, in the place of one that was made earlier today. Blocks: call it off the cooperative pool.
    ///
    /// - Throws: ``ServiceError`` when the copy is not what was copied; the file system's or the database's error.
    func make(of store: MemoryStore) throws -> Made {
        try FileManager.default.createDirectory(
            atPath: daily.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let target = daily.appending("\(store.project)_\(BackupRetention.Day(store.now()).text).db")
        let draft = daily.appending(".\(store.project)_\(UUID().uuidString).db")
        defer { Self.remove(draft) }
        // The copy and what it is compared with are read from one moment of the live database.
        let expected = try store.pool.read { db in
            let copy = try DatabaseQueue(path: draft.string)
            try copy.writeWithoutTransaction { copy in
                try db.backup(to: copy)
                // One file, whole in itself, that looking at it does not surround with others.
                try copy.execute(sql: "PRAGMA journal_mode = DELETE")
            }
            let contents = try Contents(db)
            try copy.close()
            return contents
        }
        guard try Self.contents(of: draft) == expected else {
            throw ServiceError.unavailable(
                "The copy of project \(store.project) is not what was copied; the last backup stays.", code: "backup_failed")
        }
        let file = try FileDescriptor.open(draft, .readOnly)
        try file.closeAfter { guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) } }
        guard rename(draft.string, target.string) == 0 else { throw Errno(rawValue: errno) }
        let size = try FileManager.default.attributesOfItem(atPath: target.string)[.size] as? Int
        return Made(path: target.string, bytes: size ?? 0, conversations: expected.count, digest: expected.digest)
    }

    /// The days of which there are backups of a project, newest first.
    func days(of project: ProjectID) throws -> [BackupRetention.Day] {
        guard FileManager.default.fileExists(atPath: daily.string) else { return [] }
        let beginning = project.text + "_"
        return try FileManager.default.contentsOfDirectory(atPath: daily.string).compactMap { name in
            guard name.hasPrefix(beginning), name.hasSuffix(".db") else { return nil }
            return BackupRetention.Day(String(name.dropFirst(beginning.count).dropLast(3)))
        }.sorted(by: >)
    }

    /// Removes what ``BackupRetention`` lets go.
    ///
    /// - Returns: how many were removed.
    func prune(_ project: ProjectID, today: BackupRetention.Day) throws -> Int {
        let expired = BackupRetention.expired(try days(of: project), today: today)
        for day in expired { try FileManager.default.removeItem(atPath: path(project, day).string) }
        return expired.count
    }

    func path(_ project: ProjectID, _ day: BackupRetention.Day) -> FilePath { daily.appending("\(project)_\(day.text).db") }

    /// What a copy holds, once it was found whole. It is opened as the live one would be.
    static func contents(of path: FilePath) throws -> Contents {
        var configuration = Configuration()
        configuration.readonly = true
        let copy = try DatabaseQueue(path: path.string, configuration: configuration)
        defer { try? copy.close() }
        return try copy.read { db in
            let problems = try String.fetchAll(db, sql: "PRAGMA integrity_check(10)").filter { $0 != "ok" }
            guard problems.isEmpty else {
                throw ServiceError.unavailable(
                    "\(path.lastComponent?.string ?? "A backup") is damaged: \(problems[0])", code: "backup_damaged")
            }
            return try Contents(db)
        }
    }

    /// What two databases are compared by.
    struct Contents: Sendable, Equatable {
        let count: Int
        let digest: String

        init(_ db: Database) throws {
            var hasher = SHA256()
            var count = 0
            let rows = try Row.fetchCursor(db, sql: "SELECT * FROM conversations ORDER BY id")
            while let row = try rows.next() {
                count += 1
                for (name, value) in row { hasher.update(data: Data("\(name)=\(value)\u{0}".utf8)) }
            }
            (self.count, digest) = (count, hasher.finalize().hex)
        }
    }

    private static func remove(_ path: FilePath) {
        for suffix in ["", "-wal", "-shm", "-journal"] { try? FileManager.default.removeItem(atPath: path.string + suffix) }
    }
}
