import Foundation
import GRDB
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Tells every process that has the database open, without asking the database, that who may do what was changed: a number in a file that
/// all of them have mapped. It grows after the commit and before whoever made the change is told that it is made.
///
/// A process that ends in between leaves it as it was, and so does a program that is not ours: who trusts the number asks the database
/// itself from time to time.
final class ChangeSignal: TransactionObserver, Sendable {
    /// The table that each such change writes to (``SecuritySchema``).
    private static let table = "security_state"

    /// The file, mapped until this goes. Safe to share: the pointer never changes, and what it points to changes by atomic operations alone.
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private static let size = MemoryLayout<UInt64>.size
    private let isPending = Mutex(false)

    /// - Parameters:
    ///   - path: of the file, which is made when it is not there.
    ///   - database: whose changes it tells of.
    /// - Throws: the file system's error.
    init(_ path: FilePath, of database: FilePath) throws {
        let file = try FileDescriptor.open(path, .readWrite, options: [.create], permissions: [.ownerRead, .ownerWrite])
        // A command that root runs must leave it to those whose database it is.
        if geteuid() == 0 {
            let owner = try FileManager.default.attributesOfItem(atPath: database.string)
                .filter { [.ownerAccountID, .groupOwnerAccountID].contains($0.key) }
            try FileManager.default.setAttributes(owner, ofItemAtPath: path.string)
        }
        memory = try file.closeAfter {
            // Written, not only made longer: on a full disk this fails, and nothing that is mapped. What is there already stays as it is.
            if try file.seek(offset: 0, from: .end) < Self.size { try file.writeAll(toAbsoluteOffset: Int64(Self.size) - 1, [0]) }
            guard let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0), memory != MAP_FAILED
            else { throw Errno(rawValue: errno) }
            return memory
        }
    }

    deinit { munmap(memory, Self.size) }

    /// Grows with every change.
    var count: UInt64 { number.pointee.load(ordering: .acquiring) }

    /// Zeros are what a file begins with, and the atomic number 0. Of 64 bits it is free of locks, so that processes may share it.
    private var number: UnsafeMutablePointer<Atomic<UInt64>> { memory.assumingMemoryBound(to: Atomic<UInt64>.self) }

    // MARK: TransactionObserver

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { eventKind.tableName == Self.table }

    func databaseDidChange(with event: DatabaseEvent) { isPending.withLock { $0 = true } }

    func databaseDidCommit(_ db: Database) {
        let isChanged = isPending.withLock { isPending in
            defer { isPending = false }
            return isPending
        }
        if isChanged { number.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing) }
    }

    func databaseDidRollback(_ db: Database) { isPending.withLock { $0 = false } }
}
