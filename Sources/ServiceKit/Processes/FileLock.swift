import Foundation
import SystemPackage

/// A lock that one process holds at a time (flock(2)); the kernel lets go of it when the process ends, however it does.
public final class FileLock: Sendable {
    private let file: FileDescriptor

    /// - Parameter path: a file, which is made when it is not there.
    /// - Returns: `nil` when another process, or another part of this one, holds it.
    /// - Throws: the file system's error.
    public convenience init?(_ path: FilePath) throws {
        // Not for children: one that outlived us would go on holding it.
        try self.init(FileDescriptor.open(path, .writeOnly, options: [.create, .closeOnExec], permissions: [.ownerReadWrite]))
    }

    private init?(_ file: FileDescriptor) throws {
        guard flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            let cause = Errno(rawValue: errno)
            // Closed here and only here: as long as the property has no value, there is no deinit. A second close might meet a file that
            // somebody else has opened meanwhile.
            try? file.close()
            if cause == .wouldBlock { return nil }
            throw cause
        }
        self.file = file
    }

    deinit {
        // Let go of by name: a child that is just being started has the file, too, until it becomes its program (flock(2)).
        _ = flock(file.rawValue, LOCK_UN)
        try? file.close()
    }

    /// Locks a folder, which needs no file in it, as soon as whoever holds it has let go.
    ///
    /// - Parameter waiting: told five times a second that another process, or another part of this one, holds it.
    /// - Throws: the file system's error, or `CancellationError`.
    public static func folder(_ path: FilePath, waiting: () -> Void = {}) async throws -> FileLock {
        while true {
            if let lock = try FileLock(FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])) { return lock }
            waiting()
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}
