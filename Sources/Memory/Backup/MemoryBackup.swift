import Foundation
import GRDB
import ServiceKit
import SuiteAPI
import SystemPackage

/// Copies of a project's memory as it was at one moment, in the forms of ``BackupFile/Kind``. Each is restored into a scratch place and compared
/// when it is made: a copy that nobody could restore is no backup, and does not take the place of one.
struct MemoryBackup: Sendable {
    /// What was made in one go, of one moment.
    struct Made: Sendable {
        var files: [BackupFile] = []
        let contents: MemoryContents
        var warnings: [String] = []
    }

    /// Past it the forms that are many times as large in reading are left out, and that is said.
    private static let largest = 1 << 30

    /// `DATA_DIR/memory/backups`.
    let folder: FilePath

    /// Makes backups of some kinds; a daily or monthly one takes the place of one of the same day or month.
    ///
    /// - Throws: ``ServiceError`` when a copy is not what was copied; the file system's or the database's error.
    func make(_ kinds: [BackupFile.Kind], of store: MemoryStore) async throws -> Made {
        let moment = store.now()
        let scratch = try await offPool { [folder] in try Scratch(in: folder) }
        // All forms are made from one copy, which is made from one moment of the live database.
        let copy = scratch.path("copy.db")
        let (expected, size) = try await offPool {
            let contents = try store.pool.read { db in
                let target = try DatabaseQueue(path: copy.string)
                try target.writeWithoutTransaction { target in
                    try db.backup(to: target)
                    // One file, whole in itself, that looking at it does not surround with others.
                    try target.execute(sql: "PRAGMA journal_mode = DELETE")
                }
                try target.close()
                return try MemoryContents(db)
            }
            return (contents, try FileManager.default.attributesOfItem(atPath: copy.string)[.size] as? Int ?? 0)
        }
        var made = Made(contents: expected)
        if size > Self.largest { made.warnings.append("the memory of \(store.project) has \(size >> 20) MiB") }
        for kind in kinds {
            guard size <= Self.largest || [.daily, .monthly, .safety].contains(kind) else {
                made.warnings.append("no \(kind.rawValue) backup was made of it: the daily one holds the same")
                continue
            }
            let file = try await offPool { unused(BackupFile(kind, of: store.project, at: moment)) }
            let draft = scratch.path("draft.\(kind.rawValue)")
            try await write(file, from: copy, at: moment, to: draft, scratch)
            let restored = scratch.path("restored.\(kind.rawValue).db")
            try await load(kind, draft, into: restored, scratch)
            guard try await offPool({ try MemoryContents(of: restored) }) == expected else {
                throw ServiceError.unavailable(
                    "The \(kind.rawValue) copy of project \(store.project) is not what was copied; the last backup stays.",
                    code: "backup_failed")
            }
            try await offPool { try put(draft, at: file) }
            made.files.append(file)
        }
        return made
    }

    /// Makes the database that a backup holds, ready to take the place of a live one. The backup itself is not changed.
    ///
    /// - Throws: 404 when there is none; ``ServiceError`` when it is damaged.
    func unpack(_ file: BackupFile, into target: FilePath, _ scratch: Scratch) async throws {
        let path = folder.appending(file.name)
        guard try await offPool({ FileManager.default.fileExists(atPath: path.string) }) else {
            throw ServiceError.notFound("There is no backup \(file.name).", code: "backup_not_found")
        }
        do {
            try await load(file.kind, path, into: target, scratch)
            _ = try await offPool { try MemoryContents(of: target) }
        } catch let error where !(error is CancellationError) && !(error is ServiceError) {
            throw ServiceError.unavailable("The backup \(file.name) cannot be read: \(error)", code: "backup_damaged")
        }
    }

    /// The backups of a project, newest first.
    func files(of project: ProjectID) throws -> [BackupFile] {
        try all().filter { $0.project == project }.sorted { ($0.moment, $0.name) > ($1.moment, $1.name) }
    }

    private func all() throws -> [BackupFile] {
        try ["", "daily", "monthly"].flatMap { part -> [BackupFile] in
            let place = part.isEmpty ? folder : folder.appending(part)
            guard FileManager.default.fileExists(atPath: place.string) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: place.string)
                .compactMap { BackupFile(name: part.isEmpty ? $0 : "\(part)/\($0)") }
        }
    }

    /// Removes what ``BackupRetention`` lets go, of whichever project, and what was left by a process that was killed at work.
    ///
    /// - Parameter projects: those that were not forgotten.
    /// - Returns: how many were removed, and why others could not be.
    func prune(keepingNewestOf projects: Set<ProjectID>, at moment: Date) throws -> (removed: Int, problems: [String]) {
        var problems: [String] = []
        let removed = BackupRetention.expired(try all(), keepingNewestOf: projects, at: moment).count { file in
            do {
                try FileManager.default.removeItem(atPath: folder.appending(file.name).string)
                return true
            } catch CocoaError.fileNoSuchFile {
                // Somebody else was faster.
                return false
            } catch {
                problems.append("the old backup \(file.name) cannot be removed: \(error.localizedDescription)")
                return false
            }
        }
        for draft in try leftDrafts() {
            do {
                try FileManager.default.removeItem(atPath: draft.string)
            } catch CocoaError.fileNoSuchFile {
                continue
            } catch {
                problems.append("what is left of an earlier backup, \(draft), cannot be removed: \(error.localizedDescription)")
            }
        }
        return (removed, problems)
    }

    /// Nobody works at a draft for a day. How old one is the file system's clock says.
    private func leftDrafts() throws -> [FilePath] {
        guard FileManager.default.fileExists(atPath: folder.string) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.string).filter { $0.hasPrefix(Scratch.prefix) }
            .map { folder.appending($0) }
            .filter { draft in
                let changed = try? FileManager.default.attributesOfItem(atPath: draft.string)[.modificationDate] as? Date
                return changed.map { $0 < .now.addingTimeInterval(-86_400) } ?? false
            }
    }

    /// A name that no earlier backup of the same second has; those of a day or a month are meant to take the place of one another.
    private func unused(_ file: BackupFile) -> BackupFile {
        guard [.json, .sql, .safety].contains(file.kind) else { return file }
        var file = file
        while FileManager.default.fileExists(atPath: folder.appending(file.name).string) {
            file = BackupFile(file.kind, of: file.project, at: file.moment.addingTimeInterval(1))
        }
        return file
    }

    // MARK: Forms

    private func write(_ file: BackupFile, from copy: FilePath, at moment: Date, to draft: FilePath, _ scratch: Scratch) async throws {
        switch file.kind {
        case .daily, .safety: try await offPool { try FileManager.default.copyItem(atPath: copy.string, toPath: draft.string) }
        case .monthly: try await Self.tar(["-czf", draft.string, "-C", scratch.folder.string, "copy.db"], scratch)
        case .json, .sql:
            try await offPool {
                try DatabaseQueue(path: copy.string).read { db in
                    file.kind == .json
                        ? try MemoryExport.write(file.project, at: moment, db, to: draft)
                        : try MemoryDump.write(file.project, at: moment, db, to: draft)
                }
            }
        }
    }

    private func load(_ kind: BackupFile.Kind, _ path: FilePath, into target: FilePath, _ scratch: Scratch) async throws {
        switch kind {
        case .daily, .safety: try await offPool { try FileManager.default.copyItem(atPath: path.string, toPath: target.string) }
        case .monthly:
            let place = scratch.path("unpacked")
            try await offPool { try FileManager.default.createDirectory(atPath: place.string, withIntermediateDirectories: true) }
            try await Self.tar(["-xzf", path.string, "-C", place.string, "--no-same-owner", "copy.db"], scratch)
            try await offPool { try FileManager.default.moveItem(atPath: place.appending("copy.db").string, toPath: target.string) }
        case .json, .sql:
            try await offPool {
                let queue = try DatabaseQueue(path: target.string)
                try MemorySchema.migrator.migrate(queue)
                try queue.write { db in
                    kind == .json ? try MemoryExport.read(path, into: db) : try MemoryDump.read(path, into: db)
                    try WordIndex.rebuild(db)
                }
                try queue.close()
            }
        }
    }

    private static func tar(_ arguments: [String], _ scratch: Scratch) async throws {
        let program = BoundedProgram(
            name: "tar", environment: InheritedEnvironment.bounded(ProcessInfo.processInfo.environment), timeLimit: .seconds(3_600))
        let output = try await program.run(arguments, in: scratch.folder)
        guard output.status == 0 else {
            throw ServiceError.unavailable("tar ended with \(output.status): \(output.errText.prefix(300))", code: "backup_failed")
        }
    }

    /// Puts a proved draft where its name says, once it is on the disk.
    private func put(_ draft: FilePath, at file: BackupFile) throws {
        let target = folder.appending(file.name)
        try FileManager.default.createDirectory(
            atPath: target.removingLastComponent().string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: draft.string)
        let descriptor = try FileDescriptor.open(draft, .readOnly)
        try descriptor.closeAfter { guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) } }
        guard rename(draft.string, target.string) == 0 else { throw Errno(rawValue: errno) }
    }

    /// A folder for what is being made, gone when it is no longer used.
    final class Scratch: Sendable {
        static let prefix = ".draft-"
        let folder: FilePath

        init(in backups: FilePath) throws {
            folder = backups.appending("\(Self.prefix)\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }

        deinit { try? FileManager.default.removeItem(atPath: folder.string) }

        func path(_ name: String) -> FilePath { folder.appending(name) }
    }
}
