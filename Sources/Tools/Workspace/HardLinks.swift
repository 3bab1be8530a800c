import Foundation
import SystemPackage

extension Workspace {
    /// Entries that are looked at for a file's other names.
    private static let searched = 500_000

    /// Whether every name of a file lies in the workspace and is open to tools. A file that has a second name may be somebody's secret
    /// under the other one: the kernel does not tell the names of a file, so they are looked for and counted.
    func namesAreKnown(of status: stat) -> Bool {
        var found: UInt64 = 0
        var left = Self.searched
        var seen: Set<FilePath> = []
        for root in Set(roots.map(Self.real)).sorted(by: { $0.string < $1.string }) where !seen.contains(where: { root.starts(with: $0) }) {
            seen.insert(root)
            guard let folder = try? Descriptor(Foundation.open(root.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) else { continue }
            FolderWalk.visit(folder, parts: []) { parts, entry, folder in
                left -= 1
                guard left > 0, found < UInt64(status.st_nlink) else { return .stop }
                if entry.kind == .folder {
                    return SecretNames.matchLast(of: parts[...]) || hidden.contains(Self.joined(root, parts)) ? .skip : .enter
                }
                guard entry.inode == UInt64(status.st_ino), let other = try? folder.status(of: entry.name),
                    other.st_dev == status.st_dev, other.st_ino == status.st_ino
                else { return .skip }
                if !SecretNames.matchLast(of: parts[...]) && !hidden.contains(Self.joined(root, parts)) { found += 1 }
                return .skip
            }
        }
        return found >= UInt64(status.st_nlink)
    }

    static func joined(_ root: FilePath, _ parts: [String]) -> FilePath {
        root.appending(parts.compactMap { FilePath.Component($0) })
    }
}
