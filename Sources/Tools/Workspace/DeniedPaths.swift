import Foundation
import SystemPackage

/// What a sandbox has to hide of a folder that it shows.
public struct DeniedPaths: Sendable {
    /// Absolute; of a folder that is hidden as a whole only the folder.
    public let paths: [FilePath]
    /// Whether all of the folder was looked at. If not, what was not seen may hold secrets.
    public let isComplete: Bool
}

extension Workspace {
    /// The secrets below a folder, other names of them among it. Blocks while it reads folders.
    ///
    /// - Parameters:
    ///   - root: absolute; one of ``roots``, or a folder in one.
    ///   - limit: entries that are looked at, at the most.
    /// - Throws: the file system's error, when the folder cannot be opened.
    public func deniedPaths(in root: FilePath, limit: Int) throws -> DeniedPaths {
        let real = Self.real(root)
        let folder = try Descriptor(Foundation.open(real.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        let outer = self.root(of: real) ?? real
        let start = Self.real(outer).parts.count
        var denied: [FilePath] = []
        var linked: [(path: FilePath, inode: UInt64)] = []
        var secret: Set<UInt64> = []
        var left = limit
        let isWhole = FolderWalk.visit(folder, parts: real.parts) { parts, entry, folder in
            guard left > 0 else { return .stop }
            left -= 1
            let path = real.appending(parts.dropFirst(real.parts.count).map { FilePath.Component($0) }.compactMap { $0 })
            let isDenied = SecretNames.matchLast(of: parts[start...]) || hidden.contains(path)
            if entry.kind == .file, let status = try? folder.status(of: entry.name), status.st_nlink > 1 {
                if isDenied { secret.insert(entry.inode) } else { linked.append((path, entry.inode)) }
            }
            if isDenied { denied.append(path) }
            return isDenied ? .skip : .enter
        }
        denied += linked.filter { secret.contains($0.inode) }.map(\.path)
        return DeniedPaths(paths: denied, isComplete: isWhole)
    }
}
