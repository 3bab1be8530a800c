import Foundation
import GRDB
import Logging
import ServiceKit
import Synchronization
import SystemPackage

/// The memories of all projects, each in a folder and a database of its own below `DATA_DIR/memory/projects`. A database is opened when it
/// is first asked for.
actor Projects {
    private let executor = BlockingExecutor("memory.projects")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private nonisolated let folder: FilePath
    private nonisolated let common: ProjectID?
    private let now: @Sendable () -> Date
    /// Those that are open, each with the number of the use that was its last: to ask for one of them takes no turn.
    private nonisolated let known = Mutex<(stores: [ProjectID: (store: MemoryStore, lastUse: Int)], uses: Int)>(([:], 0))
    /// Databases that are open at once; one that is closed is opened again when it is asked for, and one that is being used stays open until
    /// it no longer is.
    static let mostOpen = 64
    /// Projects that there may be: each is a folder and some files, and nobody needs so many.
    private static let most = 10_000

    /// - Parameters:
    ///   - folder: `DATA_DIR/memory`.
    ///   - common: the project that everybody shares, where there is one.
    init(folder: FilePath, common: ProjectID? = nil, now: @escaping @Sendable () -> Date = { .now }) {
        self.folder = folder.appending("projects")
        (self.common, self.now) = (common, now)
    }

    /// A project's memory, made when it is not there yet.
    ///
    /// - Throws: 404 for a project of somebody else, as if there were none.
    nonisolated func store(_ project: ProjectID, for caller: Caller) async throws -> MemoryStore {
        guard project.user == nil || isOpen(project, of: project.user, to: caller) else { throw Self.unknown(project) }
        let store = if let open = known(project) { open } else { try await open(project, for: project.user ?? caller.id) }
        return try allowed(store, to: caller)
    }

    private nonisolated func allowed(_ store: MemoryStore, to caller: Caller) throws -> MemoryStore {
        let project = store.project
        guard isOpen(project, of: store.owner, to: caller), project.user == nil || isOpen(project, of: project.user, to: caller) else {
            throw Self.unknown(project)
        }
        return store
    }

    /// Whether a caller may see a project: its owner, an administrator, and the stack itself; everybody, if it is the one for all.
    nonisolated func isOpen(_ project: ProjectID, of owner: String?, to caller: Caller) -> Bool {
        caller.id == owner || caller.role == .admin || caller.role == .service || project == common
    }

    /// A project's memory.
    ///
    /// - Throws: 404 when nothing was ever saved in the project, or it is somebody else's.
    nonisolated func existing(_ project: ProjectID, for caller: Caller) async throws -> MemoryStore {
        guard let store = try await ifThere(project, for: caller) else { throw Self.unknown(project) }
        return store
    }

    /// A project's memory; `nil` when nothing was saved in it.
    ///
    /// - Throws: 404 when it is somebody else's.
    nonisolated func ifThere(_ project: ProjectID, for caller: Caller) async throws -> MemoryStore? {
        guard let store = if let open = known(project) { open } else { try await current(project) } else { return nil }
        return try allowed(store, to: caller)
    }

    private func isThere(_ project: ProjectID) -> Bool { FileManager.default.fileExists(atPath: path(of: project).string) }

    /// A project's memory, for the stack's own work on it; `nil` when there is none any more.
    func current(_ project: ProjectID) throws -> MemoryStore? {
        isThere(project) ? try open(project, for: project.user ?? Self.nobody) : nil
    }

    /// Every project that has a memory, whether it can be opened or not.
    func ids() throws -> [ProjectID] {
        try notForgotten().filter { FileManager.default.fileExists(atPath: path(of: $0).string) }.sorted { $0.text < $1.text }
    }

    /// Every project that has a memory, the one that was opened or changed last first: both write to its files.
    func byLastUse() throws -> [ProjectID] {
        let uses = try ids().map { project in
            let path = path(of: project).string
            // What was written last may be in the log alone.
            let dates = [path, path + "-wal"].compactMap {
                try? FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date
            }
            return (project: project, last: dates.max() ?? .distantPast)
        }
        return uses.sorted { $0.last > $1.last }.map(\.project)
    }

    /// Every project that has a folder, those included whose database was lost. Folders of other names are not ours.
    func notForgotten() throws -> Set<ProjectID> {
        guard FileManager.default.fileExists(atPath: folder.string) else { return [] }
        return Set(try FileManager.default.contentsOfDirectory(atPath: folder.string).compactMap { try? ProjectID($0) })
    }

    /// Removes a project and everything in it.
    ///
    /// - Throws: 404 when another was faster.
    func forget(_ store: MemoryStore) throws {
        let open = known.withLock { $0.stores.removeValue(forKey: store.project)?.store }
        guard isThere(store.project) else { throw Self.unknown(store.project) }
        try store.close()
        // It may have been opened again since it was taken.
        if let open, open.pool !== store.pool { try open.close() }
        try FileManager.default.removeItem(atPath: store.path.removingLastComponent().string)
    }

    /// Whether an error says that a project was forgotten while it was being used: its database is closed then, and whatever uses it is misuse
    /// to SQLite (https://www.sqlite.org/rescode.html#misuse).
    static func isForgotten(_ error: any Error) -> Bool { (error as? DatabaseError)?.resultCode == .SQLITE_MISUSE }

    /// Whether anything can be kept; the reason when not.
    func storageProblem() -> String? {
        do {
            try FileManager.default.createDirectory(
                atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return access(folder.string, W_OK) == 0 ? nil : "\(folder) cannot be written: \(Errno(rawValue: errno))"
        } catch {
            return "\(error)"
        }
    }

    /// Who owns what is found without an owner.
    private static let nobody = "unknown"

    /// A project's memory, if it is open.
    private nonisolated func known(_ project: ProjectID) -> MemoryStore? {
        known.withLock { known in
            guard let store = known.stores[project]?.store else { return nil }
            known.uses += 1
            known.stores[project] = (store, known.uses)
            return store
        }
    }

    private func open(_ project: ProjectID, for user: String) throws -> MemoryStore {
        if let store = known(project) { return store }
        let path = path(of: project)
        if !FileManager.default.fileExists(atPath: path.string), try ids().count >= Self.most {
            throw ServiceError.conflict(
                "There are \(Self.most) projects; no more are kept. Forget one that is not needed: DELETE /v1/memory/projects/ID.",
                code: "too_many_projects")
        }
        let store = try MemoryStore(project, for: user, path: path, now: now)
        // What goes is closed when nobody has it any more, and not while others wait to ask.
        _ = known.withLock { known in
            let oldest = known.stores.count < Self.mostOpen ? nil : known.stores.min { $0.value.lastUse < $1.value.lastUse }?.key
            known.uses += 1
            known.stores[project] = (store, known.uses)
            return oldest.flatMap { known.stores.removeValue(forKey: $0) }
        }
        return store
    }

    /// The code of an answer about a project that is not there, or is somebody else's.
    static let unknownCode = "project_not_found"

    private static func unknown(_ project: ProjectID) -> ServiceError {
        .notFound("You have saved nothing in a project “\(project)”.", code: unknownCode)
    }

    /// Where a project's database is.
    nonisolated func path(of project: ProjectID) -> FilePath { folder.appending(project.text).appending("memory.db") }
}

extension Route {
    /// The same route, which answers 404 when its project is forgotten while it is at work.
    var closedIsGone: Route {
        handled { [handler] request, context in
            do {
                return try await handler(request, context)
            } catch  where Projects.isForgotten(error) {
                throw ServiceError.notFound("The project was forgotten meanwhile.", code: Projects.unknownCode)
            }
        }
    }
}
