import Foundation
import SystemPackage

/// The folders below `DATA_DIR`; each store has its own.
public struct DataFolders: Sendable {
    public let root: FilePath

    public init(root: FilePath) { self.root = root }

    public var sqlite: FilePath { root.appending("sqlite") }
    public var vectors: FilePath { root.appending("vectors") }
    public var documents: FilePath { root.appending("documents") }
    public var memory: FilePath { root.appending("memory") }
    public var cache: FilePath { root.appending("cache") }
    public var logs: FilePath { root.appending("logs") }
    public var monitoring: FilePath { root.appending("monitoring") }
    public var analytics: FilePath { root.appending("analytics") }
    public var backups: FilePath { root.appending("backups") }
    public var reports: FilePath { root.appending("reports") }
    /// Keys; readable by the owner alone.
    public var secrets: FilePath { root.appending("secrets") }
    /// The managed llama.cpp engine.
    public var engine: FilePath { root.appending("engine") }
    /// Pid files, sockets and other state of what runs now.
    public var run: FilePath { root.appending("run") }

    /// The folders whose contents are the stack's own: what users said, keys, logs. Nobody reads them as documents.
    public var `private`: [FilePath] {
        [sqlite, vectors, memory, cache, logs, monitoring, analytics, backups, reports, secrets, engine, run]
    }

    /// The folders that exist on every working stack, for checks and backups.
    public var required: [FilePath] {
        [sqlite, vectors, documents, memory, cache, logs, monitoring, analytics, backups, reports, secrets]
    }

    /// Makes what is missing. Everything is readable by the owner alone: documents and conversations lie here.
    ///
    /// - Throws: the file system's error, naming the folder.
    public func create() throws {
        for folder in required + [run] {
            try FileManager.default.createDirectory(
                atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
    }
}
