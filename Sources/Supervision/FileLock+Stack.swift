import ServiceKit
import SystemPackage

extension FileLock {
    /// Held by a supervisor for as long as it lives: there is one for each `DATA_DIR`.
    static func supervisor(_ folder: FilePath) throws -> FileLock? { try FileLock(folder.appending("supervisor.lock")) }

    /// Held by a command from before it looks for a supervisor until one runs.
    static func start(_ folder: FilePath) throws -> FileLock? { try FileLock(folder.appending("start.lock")) }
}
