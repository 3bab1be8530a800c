import Foundation
import GRDB
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Tells every process that has the database open, without asking the database, that who may do what was changed: a number in a file, another
/// after each such change. It is written after the commit and before whoever made the change is told that it is made.
///
/// A process that ends in between leaves it as it was, and so does a program that is not ours: who trusts the number asks the database
/// itself from time to time.
final class ChangeSignal: TransactionObserver, Sendable {
    /// The table that each such change writes to (``SecuritySchema``).
    private static let table = "security_state"
    private static let size = MemoryLayout<UInt64>.size

    private let file: FileDescriptor
    private let isPending = Mutex(false)

    /// - Parameters:
    ///   - path: of the file, which is made when it is not there.
    ///   - database: whose changes it tells of.
    /// - Throws: the file system's error.
    init(_ path: FilePath, of database: FilePath) throws {
        file = try FileDescriptor.open(path, .readWrite, options: [.create], permissions: [.ownerRead, .ownerWrite])
        // Whatever is thrown from here on, deinit closes the file.
        // A command that root runs must leave it to those whose database it is.
        if geteuid() == 0 {
            let owner = try FileManager.default.attributesOfItem(atPath: database.string)
                .filter { [.ownerAccountID, .groupOwnerAccountID].contains($0.key) }
            try FileManager.default.setAttributes(owner, ofItemAtPath: path.string)
        }
        if number == nil { try write() }
    }

    deinit { try? file.close() }

    /// Another one after every change; `nil` where somebody cut the file short, until the next change. The eight bytes lie in the kernel's memory,
    /// so that reading them waits for no disk; that they are read and not mapped, that no cut ends the process.
    var number: UInt64? {
        withUnsafeTemporaryAllocation(byteCount: Self.size, alignment: Self.size) { buffer in
            let count = try? file.read(fromAbsoluteOffset: 0, into: buffer)
            return count == Self.size ? buffer.load(as: UInt64.self) : nil
        }
    }

    /// Drawn, since two processes that counted could both write the same.
    private func write() throws {
        try withUnsafeBytes(of: UInt64.random(in: 1 ... .max)) { _ = try file.writeAll(toAbsoluteOffset: 0, $0) }
    }

    // MARK: TransactionObserver

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { eventKind.tableName == Self.table }

    func databaseDidChange(with event: DatabaseEvent) { isPending.withLock { $0 = true } }

    func databaseDidCommit(_ db: Database) {
        let isChanged = isPending.withLock { isPending in
            defer { isPending = false }
            return isPending
        }
        // Where that fails others see the change when they next ask the database.
        if isChanged { try? write() }
    }

    func databaseDidRollback(_ db: Database) { isPending.withLock { $0 = false } }
}
