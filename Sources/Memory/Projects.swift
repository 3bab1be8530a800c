import Foundation
import Logging
import ServiceKit
import SystemPackage

/// The memories of all projects, each in a folder and a database of its own below `DATA_DIR/memory/projects`. A database is opened when it
/// is first asked for.
actor Projects {
    private let executor = BlockingExecutor("memory.projects")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let folder: FilePath
    private let now: @Sendable () -> Date
    private var open: [ProjectID: MemoryStore] = [:]

    /// - Parameter folder: `DATA_DIR/memory`.
    init(folder: FilePath, now: @escaping @Sendable () -> Date = { .now }) {
        self.folder = folder.appending("projects")
        self.now = now
    }

    /// A project's memory, made when it is not there yet.
    ///
    /// - Throws: 404 for a project of somebody else, as if there were none.
    func store(_ project: ProjectID, for caller: Caller) throws -> MemoryStore {
        let store = try open(project, for: caller.id)
        guard store.isOpen(to: caller) else { throw Self.unknown(project) }
        return store
    }

    /// A project's memory.
    ///
    /// - Throws: 404 when nothing was ever saved in the project, or it is somebody else's.
    func existing(_ project: ProjectID, for caller: Caller) throws -> MemoryStore {
        guard open[project] != nil || FileManager.default.fileExists(atPath: path(of: project).string) else {
            throw Self.unknown(project)
        }
        return try store(project, for: caller)
    }

    /// Every project that has a memory. Folders of other names are not ours.
    func all() throws -> [MemoryStore] {
        guard FileManager.default.fileExists(atPath: folder.string) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
            .compactMap { try? ProjectID($0) }
            .filter { FileManager.default.fileExists(atPath: path(of: $0).string) }
            .map { try open($0, for: Self.nobody) }
    }

    /// Who owns what is found without an owner.
    private static let nobody = "unknown"

    private func open(_ project: ProjectID, for user: String) throws -> MemoryStore {
        if let store = open[project] { return store }
        let store = try MemoryStore(project, for: user, path: path(of: project), now: now)
        open[project] = store
        return store
    }

    private static func unknown(_ project: ProjectID) -> ServiceError {
        .notFound("You have saved nothing in a project “\(project)”.", code: "project_not_found")
    }

    private func path(of project: ProjectID) -> FilePath { folder.appending(project.text).appending("memory.db") }
}

extension MemoryStore {
    /// Whether a caller may see it: its owner, an administrator, and the stack itself.
    func isOpen(to caller: Caller) -> Bool { caller.id == owner || caller.role == .admin || caller.role == .service }
}
