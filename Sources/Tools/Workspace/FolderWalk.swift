import Foundation
import SystemPackage

/// Visits what lies below a folder, sorted, folder by folder. Each folder is opened in the one above it and links are never followed, so
/// that the walk cannot be led out.
struct FolderWalk: Sendable {
    enum Step: Sendable {
        /// Go on; into the entry, if it is a folder.
        case enter
        /// Go on, not into the entry.
        case skip
        /// That is enough.
        case stop
    }

    /// Folders in folders that are entered; also the number of descriptors that a walk holds.
    static let maxDepth = 128

    /// - Parameters:
    ///   - folder: where the walk starts.
    ///   - parts: what the parts of its path are called in `visit`.
    ///   - visit: is given the parts of each entry's path, the entry, and the folder it lies in.
    ///   - unseen: is given the parts of folders that are passed over, since they cannot be opened or are too deep, or in which a name is
    ///     that cannot be read.
    /// - Returns: whether everything was visited.
    @discardableResult
    static func visit(
        _ folder: Descriptor, parts: [String], unseen: (_ parts: [String]) -> Void = { _ in },
        _ visit: (_ parts: [String], _ entry: FolderEntry, _ folder: Descriptor) throws -> Step
    ) rethrows -> Bool {
        var stack = [(folder, parts, (try? folder.entries()) ?? [], 0)]
        var isWhole = true
        while let (here, parts, entries, next) = stack.popLast() {
            guard next < entries.count else { continue }
            stack.append((here, parts, entries, next + 1))
            let entry = entries[next]
            let path = parts + [entry.name]
            switch try visit(path, entry, here) {
            case .stop: return false
            case .skip: continue
            case .enter where entry.kind == .folder:
                guard stack.count < maxDepth,
                    let below = try? Descriptor(openat(here.raw, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
                    let (inside, isWholeFolder) = try? below.listing()
                else {
                    isWhole = false
                    unseen(path)
                    continue
                }
                if !isWholeFolder { unseen(path) }
                stack.append((below, path, inside, 0))
            case .enter: continue
            }
        }
        return isWhole
    }
}
