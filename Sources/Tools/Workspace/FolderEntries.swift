import Foundation
import SystemPackage

/// One name in a folder.
struct FolderEntry: Sendable {
    enum Kind: String, Sendable { case file, folder, link, other }

    let name: String
    let kind: Kind
    let inode: UInt64
}

extension Descriptor {
    /// The names in this folder, without `.` and `..`, sorted by their bytes. Names that are no UTF-8 are left out: no call can name them.
    func entries() throws(Errno) -> [FolderEntry] { try listing().entries }

    /// The same, and whether no name was left out.
    func listing() throws(Errno) -> (entries: [FolderEntry], isWhole: Bool) {
        // A stream of its own, since it owns its descriptor and moves its offset.
        let own = openat(raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0 else { throw Errno(rawValue: errno) }
        guard let stream = fdopendir(own) else {
            let error = Errno(rawValue: errno)
            close(own)
            throw error
        }
        defer { closedir(stream) }
        var entries: [FolderEntry] = []
        var isWhole = true
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw Errno(rawValue: errno) }
                break
            }
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                    String(validatingCString: $0)
                }
            }
            guard let name else {
                isWhole = false
                continue
            }
            guard name != ".", name != ".." else { continue }
            entries.append(FolderEntry(name: name, kind: kind(of: name, entry.pointee.d_type), inode: UInt64(entry.pointee.d_ino)))
        }
        return (entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }, isWhole)
    }

    /// What a name in this folder stands for, a link for itself.
    func status(of name: String) throws(Errno) -> stat {
        var status = stat()
        guard fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw Errno(rawValue: errno) }
        return status
    }

    private func kind(of name: String, _ type: UInt8) -> FolderEntry.Kind {
        switch Int32(type) {
        case Int32(DT_REG): return .file
        case Int32(DT_DIR): return .folder
        case Int32(DT_LNK): return .link
        case Int32(DT_UNKNOWN):  // some file systems do not say
            guard let status = try? status(of: name) else { return .other }
            return status.isFile ? .file : status.isFolder ? .folder : status.isLink ? .link : .other
        default: return .other
        }
    }
}
