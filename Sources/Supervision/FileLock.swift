import Foundation
import SystemPackage

/// A lock that one process holds at a time (flock(2)); the kernel lets go of it when the process ends, however it does.
final class FileLock: Sendable {
    private let file: FileDescriptor

    /// - Returns: `nil` when another process, or another part of this one, holds it.
    /// - Throws: the file system's error.
    init?(_ path: FilePath) throws {
        // Not for children: one that outlived us would go on holding it.
        file = try FileDescriptor.open(path, .writeOnly, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
        guard flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            let cause = Errno(rawValue: errno)
            try? file.close()
            if cause == .wouldBlock { return nil }
            throw cause
        }
    }

    deinit { try? file.close() }

    /// Held by a supervisor for as long as it lives: there is one for each `DATA_DIR`.
    static func supervisor(_ folder: FilePath) throws -> FileLock? { try FileLock(folder.appending("supervisor.lock")) }

    /// Held by a command from before it looks for a supervisor until one runs.
    static func start(_ folder: FilePath) throws -> FileLock? { try FileLock(folder.appending("start.lock")) }
}
