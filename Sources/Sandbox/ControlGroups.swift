import Foundation
import ServiceKit
import SystemPackage

/// Where groups of processes can be made whose memory and number the kernel bounds together (cgroups(7)). Both versions are known:
/// one tree for all, or one for each kind.
struct ControlGroups: Sendable {
    /// A folder of the tree that groups are made in, and the files that set a group's limits there.
    struct Home: Sendable {
        let folder: FilePath
        let version: Int
        let bounds: Set<Bound>
    }

    enum Bound: String, Sendable, CaseIterable { case memory, pids }

    let homes: [Home]

    /// Looks for places where this process may make groups: its own, or one above it. What an earlier process left is removed.
    ///
    /// - Returns: `nil` unless both memory and the number of processes can be bounded.
    static func found(mounts: String? = KernelFile.text("/proc/self/mounts"), own: String? = KernelFile.text("/proc/self/cgroup")) -> Self?
    {
        guard let mounts, let own else { return nil }
        var homes: [Home] = []
        for (version, mount, bounds) in hierarchies(mounts) {
            guard let path = place(version: version, bounds: bounds, own) else { continue }
            let home = chain(from: mount, to: path).first { isUsable($0, version: version, bounds: bounds) }
            if let home { homes.append(Home(folder: home, version: version, bounds: bounds)) }
        }
        guard Bound.allCases.allSatisfy({ bound in homes.contains { $0.bounds.contains(bound) } }) else { return nil }
        for home in homes { sweep(home.folder) }
        return Self(homes: homes)
    }

    /// Makes a group.
    ///
    /// - Throws: 503 when it cannot be made.
    func make(memory: Int, processes: Int) throws -> ControlGroup {
        let name = Self.prefix + RunNumber.next().name
        let group = ControlGroup(parts: homes.map { .init(folder: $0.folder.appending(name), home: $0) })
        do {
            try group.create(memory: memory, processes: processes)
        } catch {
            group.remove()
            throw ServiceError.unavailable("A control group for the run cannot be made: \(error)", code: "sandbox_unavailable")
        }
        return group
    }

    // MARK: Looking

    static let prefix = "maru-sandbox-"

    /// The mounted trees that bound something we need.
    private static func hierarchies(_ mounts: String) -> [(version: Int, mount: FilePath, bounds: Set<Bound>)] {
        mounts.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count > 3 else { return nil }
            switch fields[2] {
            case "cgroup":
                let bounds = Set(fields[3].split(separator: ",").compactMap { Bound(rawValue: String($0)) })
                return bounds.isEmpty ? nil : (1, FilePath(fields[1]), bounds)
            case "cgroup2":
                let controllers = words(FilePath(fields[1]).appending("cgroup.controllers"))
                let bounds = Set(controllers.compactMap(Bound.init))
                return bounds.isEmpty ? nil : (2, FilePath(fields[1]), bounds)
            default: return nil
            }
        }
    }

    /// This process's own path in a tree, from the lines `number:controllers:path`.
    private static func place(version: Int, bounds: Set<Bound>, _ own: String) -> String? {
        for line in own.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3 else { continue }
            let controllers = Set(fields[1].split(separator: ",").map(String.init))
            if version == 2 ? fields[1].isEmpty : !controllers.isDisjoint(with: bounds.map(\.rawValue)) { return fields[2] }
        }
        return nil
    }

    /// A folder of the tree and those above it, the lowest first.
    private static func chain(from mount: FilePath, to path: String) -> [FilePath] {
        var folder = mount
        var folders = [mount]
        for part in FilePath(path).components where part.kind == .regular {
            folder.append(part)
            folders.append(folder)
        }
        return folders.reversed()
    }

    /// Whether a group can be made there and be given limits; tried, since permissions alone do not tell.
    private static func isUsable(_ folder: FilePath, version: Int, bounds: Set<Bound>) -> Bool {
        guard version == 1 || bounds.isSubset(of: words(folder.appending("cgroup.subtree_control")).compactMap(Bound.init)) else {
            return false
        }
        let home = Home(folder: folder, version: version, bounds: bounds)
        let trial = ControlGroup(parts: [.init(folder: folder.appending(prefix + RunNumber.next().name), home: home)])
        defer { trial.remove() }
        guard (try? trial.create(memory: 64 << 20, processes: 16)) != nil else { return false }
        // Whether a process may be moved there depends on where it comes from: a child tries it.
        return trial.admitsChild()
    }

    /// Removes the groups of processes that are gone.
    private static func sweep(_ folder: FilePath) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? [] where name.hasPrefix(prefix) {
            guard let pid = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }), kill(pid, 0) != 0, errno == ESRCH else { continue }
            rmdir(folder.appending(name).string)
        }
    }

    private static func words(_ file: FilePath) -> [String] {
        (KernelFile.text(file.string) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
    }
}
