import Foundation
import Sandbox
import ServiceKit
import SystemPackage

extension Workspace {
    /// Entries of a workspace that are looked at for secrets before a command may see it.
    static let viewLimit = 500_000
    /// Secrets that can be covered.
    static let hiddenLimit = 4_000

    /// A root as sandboxed commands see it: everything but what the file tools would refuse to open. It is looked through anew for each
    /// run; a secret that is written while a command runs is not covered from that command.
    ///
    /// - Parameter workingFolder: where the command starts; the first root without one. Its root is what is seen.
    /// - Throws: what opening a folder throws; 422 when there is too much to look through or to cover.
    func view(from workingFolder: String?) throws -> WorkspaceView {
        let folder = try openFolder(workingFolder ?? ".", from: nil)
        let root = try Descriptor(Foundation.open(folder.root.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        var hidden: [WorkspaceView.Hidden] = []
        var linked: [UInt64: (count: Int, paths: [FilePath])] = [:]
        var seen = 0
        FolderWalk.visit(root, parts: []) { parts, entry, parent in
            seen += 1
            guard seen <= Self.viewLimit, hidden.count <= Self.hiddenLimit else { return .stop }
            let path = Self.joined(folder.root, parts)
            if SecretNames.matchLast(of: parts[...]) || isDenied(path) {
                hidden.append(.init(path, isFolder: entry.kind == .folder))
                return .skip
            }
            // Names of one file: where some of them lie elsewhere, one may be a secret's. Clones share git's objects that way.
            var status = stat()
            if entry.kind == .file, !parts.contains(".git"), fstatat(parent.raw, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_nlink > 1
            {
                linked[UInt64(status.st_ino), default: (Int(status.st_nlink), [])].paths.append(path)
            }
            return .enter
        }
        for (count, paths) in linked.values where paths.count < count { hidden += paths.map { .init($0, isFolder: false) } }
        guard seen <= Self.viewLimit, hidden.count <= Self.hiddenLimit else {
            throw ServiceError.invalid(
                "\(folder.root) has more than \(Self.viewLimit) entries, or more than \(Self.hiddenLimit) secrets and files with other names: "
                    + "commands cannot be kept from them. Name a smaller folder in ALLOWED_ROOTS, or set SANDBOX_WORKSPACE=none.",
                parameter: "working_dir")
        }
        return WorkspaceView(root: folder.root, workingFolder: folder.path, hidden: hidden)
    }
}
