import Foundation
import Sandbox
import ServiceKit
import SystemPackage

extension Workspace {
    /// Entries of a workspace that are looked at for secrets before a command may see it.
    static let viewLimit = 500_000
    /// What can be covered: bubblewrap takes so many arguments, and each cover takes it longer than the one before.
    static let hiddenLimit = 1_000
    /// Folders that the sandbox has of its own: shown over them, a workspace would take their place.
    private static let taken: Set<String> = [
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/sys", "/dev", "/run", "/var", "/tmp",
    ]

    /// A root as sandboxed commands see it: everything but what the file tools would refuse to open. A secret that is written while a
    /// command runs is not covered from that command.
    ///
    /// - Parameter workingFolder: where the command starts; the first root without one. Its root is what is seen.
    /// - Throws: what opening a folder throws; 422 when there is too much to look through or to cover, or what is there cannot be shown.
    func view(from workingFolder: String?) throws -> WorkspaceView {
        let folder = try openFolder(workingFolder ?? ".", from: nil)
        guard !folder.root.components.isEmpty, !Self.taken.contains(folder.root.string) else {
            throw Self.notShown("\(folder.root) is a folder of the system")
        }
        let root = try Descriptor(Foundation.open(folder.root.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        guard (try? root.listing().isWhole) == true else {
            throw Self.notShown("\(folder.root) cannot be looked through, or holds a name that is no UTF-8")
        }
        var covers = Covers()
        var seen = 0
        // What could not be looked into may hold anything.
        let cover: ([String]) -> Void = { covers.folders.append(Self.joined(folder.root, $0)) }
        FolderWalk.visit(root, parts: [], unseen: cover) { parts, entry, parent in
            seen += 1
            guard seen <= Self.viewLimit, covers.count <= Self.hiddenLimit else { return .stop }
            let path = Self.joined(folder.root, parts)
            // A link shows what it leads to, which is covered by its own name or is not there.
            guard entry.kind != .link else { return .skip }
            if SecretNames.matchLast(of: parts[...]) || isDenied(path) {
                if entry.kind == .folder { covers.folders.append(path) } else { covers.files.append(path) }
                return .skip
            }
            switch entry.kind {
            // A pipe, a socket or a device: somebody else may be at its other end.
            case .other: covers.files.append(path)
            case .file where !parts.contains(".git"): covers.note(path, try? parent.status(of: entry.name))
            default: break
            }
            return .enter
        }
        covers.coverLinked()
        guard seen <= Self.viewLimit, covers.count <= Self.hiddenLimit else {
            throw Self.notShown(
                "\(folder.root) has more than \(Self.viewLimit) entries, or more than \(Self.hiddenLimit) secrets and files with other names"
            )
        }
        return WorkspaceView(root: folder.root, workingFolder: folder.path, hidden: covers.hidden)
    }

    private static func notShown(_ reason: String) -> ServiceError {
        .invalid(
            "\(reason): it cannot be shown to commands. Name a smaller folder in ALLOWED_ROOTS, or set SANDBOX_WORKSPACE=none.",
            parameter: "working_dir")
    }
}

/// What of a workspace is covered.
private struct Covers {
    private struct FileID: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    var files: [FilePath] = []
    var folders: [FilePath] = []
    /// Files that have several names, with those that were met.
    private var linked: [FileID: (count: Int, paths: [FilePath])] = [:]

    var count: Int { files.count + folders.count }
    /// Without what lies in a folder that is covered itself.
    var hidden: [WorkspaceView.Hidden] {
        let all = files.map { WorkspaceView.Hidden($0, isFolder: false) } + folders.map { WorkspaceView.Hidden($0, isFolder: true) }
        return all.filter { entry in !folders.contains { entry.path != $0 && entry.path.starts(with: $0) } }
    }

    mutating func note(_ path: FilePath, _ status: stat?) {
        guard let status, status.st_nlink > 1 else { return }
        linked[FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)), default: (Int(status.st_nlink), [])].paths.append(path)
    }

    /// Where some of a file's names lie elsewhere, one may be a secret's.
    mutating func coverLinked() {
        for (count, paths) in linked.values where paths.count < count { files += paths }
        linked = [:]
    }
}
