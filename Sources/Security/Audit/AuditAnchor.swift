import Crypto
import Foundation
import ServiceKit
import Suite
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Remembers outside the database how far the audit log had come, signed with a key that the database does not hold: who can write the
/// database alone can neither cut off the log's end nor write a new one unnoticed.
///
/// It is there from the first moment on, before there is any record, and once it is gone it is not made again by itself: who removes it
/// together with the end of the log has removed evidence, and that is seen. Raised after a commit, so it is never ahead of the log. Every
/// call works with files, and is made off the cooperative pool.
struct AuditAnchor: Sendable {
    struct Mark: Codable, Sendable {
        let last_id: Int64
        let hash: String
        let signature: String
    }

    private let folders: DataFolders
    private let path: FilePath
    private let key: SymmetricKey
    private let lastRead = LastRead()

    /// The mark that was read last, and the file it stood in.
    private final class LastRead: Sendable {
        let value = Mutex<(file: FileVersion, mark: Mark)?>(nil)
    }

    init(_ folders: DataFolders) throws {
        self.folders = folders
        path = folders.secrets.appending("audit.anchor")
        key = SymmetricKey(data: Data(try KeyFile.audit(folders).readOrCreate().utf8))
    }

    /// Makes the key and, beside a log without records, the first mark. Where the key was there before, nothing is made: a mark that is
    /// missing then was removed.
    ///
    /// - Throws: the file system's error.
    static func establish(_ folders: DataFolders, isLogEmpty: Bool) throws {
        try FileManager.default.createDirectory(
            atPath: folders.secrets.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try locked(folders) {
            let isNew = try KeyFile.audit(folders).read() == nil
            let anchor = try AuditAnchor(folders)
            let isThere = FileManager.default.fileExists(atPath: anchor.path.string)
            if isNew, isLogEmpty, !isThere { try anchor.keep(0, Data(count: 32)) }
        }
    }

    /// Keeps how far the log has come, unless another process kept more already. What is not ours is never written over: it is evidence.
    ///
    /// - Throws: ``AuditProblem`` for a mark that is missing or not ours, or the file system's error; the mark that was kept stays.
    func raise(to id: Int64, _ hash: Data) throws {
        try Self.locked(folders) {
            guard let kept = try mark() else { throw missing }
            if kept.last_id < id { try keep(id, hash) }
        }
    }

    /// Makes a mark where there is none.
    ///
    /// - Throws: 409 where there is one, ``AuditProblem`` where it is not ours.
    func makeAnew(_ id: Int64, _ hash: Data) throws {
        try Self.locked(folders) {
            guard try mark() == nil else { throw ServiceError.conflict("The audit log's anchor is there.", code: "anchor_exists") }
            try keep(id, hash)
        }
    }

    /// What is wrong when there is no mark.
    var missing: AuditProblem {
        AuditProblem(
            record: nil,
            what: """
                the anchor \(path) is missing, so that nobody can tell whether the end of the log was cut off. \
                Once you know why, make it anew: maru audit anchor
                """)
    }

    private func keep(_ id: Int64, _ hash: Data) throws {
        let hash = Array(hash).hex
        try replace(JSONEncoder.sorted.encode(Mark(last_id: id, hash: hash, signature: signature("\(id)\n\(hash)"))))
    }

    private static func locked(_ folders: DataFolders, _ work: () throws -> Void) throws {
        let file = try FileDescriptor.open(
            folders.secrets.appending("audit.lock"), .readWrite, options: [.create, .closeOnExec], permissions: [.ownerRead, .ownerWrite])
        try file.closeAfter {
            while flock(file.rawValue, LOCK_EX) != 0 { guard errno == EINTR else { throw Errno(rawValue: errno) } }
            try work()
        }
    }

    /// Written whole and synced beside its place first: after a power cut there is the old mark or the new one.
    private func replace(_ data: Data) throws {
        let draft = path.removingLastComponent().appending(".audit.anchor")
        let file = try FileDescriptor.open(
            draft, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerRead, .ownerWrite])
        try file.closeAfter {
            _ = try file.writeAll(data)
            guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        }
        guard rename(draft.string, path.string) == 0 else { throw Errno(rawValue: errno) }
    }

    /// What was kept last; `nil` where nothing was.
    ///
    /// - Throws: ``AuditProblem`` when it is not what this struct signed.
    func mark() throws -> Mark? {
        guard let data = FileManager.default.contents(atPath: path.string) else { return nil }
        guard let mark = try? JSONDecoder().decode(Mark.self, from: data), mark.signature == signature("\(mark.last_id)\n\(mark.hash)")
        else {
            throw AuditProblem(record: nil, what: "the anchor \(path) is not what this stack signed")
        }
        return mark
    }

    /// The same, read again only when the file was replaced or changed: asked before every commit.
    func lastMark() throws -> Mark? {
        guard let file = FileVersion(path) else { return try mark() }
        if let known = lastRead.value.withLock({ $0 }), known.file == file { return known.mark }
        let mark = try mark()
        // What is replaced meanwhile is another version, and read the next time.
        lastRead.value.withLock { $0 = mark.map { (file, $0) } }
        return mark
    }

    /// Signs which records retention dropped, so that nobody else can drop some and say it was retention.
    func signature(ofPruned id: Int64, _ hash: Data) -> String { signature("pruned\n\(id)\n\(Array(hash).hex)") }

    private func signature(_ text: String) -> String {
        Array(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key)).hex
    }
}

/// What tells whether a file is still the one that was read: nobody can change its contents and keep the time of the last change.
private struct FileVersion: Equatable {
    let inode: UInt64
    let seconds: Int
    let nanoseconds: Int

    init?(_ path: FilePath) {
        var status = stat()
        guard stat(path.string, &status) == 0 else { return nil }
        inode = UInt64(status.st_ino)
        #if canImport(Darwin)
            (seconds, nanoseconds) = (status.st_ctimespec.tv_sec, status.st_ctimespec.tv_nsec)
        #else
            (seconds, nanoseconds) = (status.st_ctim.tv_sec, status.st_ctim.tv_nsec)
        #endif
    }
}

/// Where the audit log is not whole, and how.
public struct AuditProblem: Error, Sendable, CustomStringConvertible {
    /// The first record that is not right.
    public let record: Int64?
    public let what: String

    public var description: String { (record.map { "record \($0): " } ?? "") + what }
}
