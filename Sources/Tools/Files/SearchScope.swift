import Foundation
import ServiceKit
import SystemPackage

/// The files that a search looks at: not secrets, not hidden ones, not what package managers put there.
struct SearchScope: Sendable {
    private static let skipped: Set<String> = ["node_modules", "__pycache__", "venv"]
    /// Files that are looked at, at the most.
    private static let fileLimit = 1_000_000

    let workspace: Workspace
    let root: FilePath
    private let given: FilePath
    private let rootDescriptor: Descriptor
    /// How results name where was searched.
    let name: String
    /// Paths below the root, in order.
    let files: [String]
    /// Whether all that was to be looked at is among them.
    let isWhole: Bool

    /// - Throws: what opening a path throws.
    init(_ workspace: Workspace, path: String, from workingFolder: String?, _ query: SearchQuery, _ deadline: ContinuousClock.Instant)
        throws
    {
        let place = try workspace.place(path, from: workingFolder)
        let start = try workspace.open(place, O_RDONLY)
        self.workspace = workspace
        rootDescriptor = try workspace.openRoot(place)
        (root, given, name) = (start.root, place.root, start.name)
        guard start.status.isFolder else {
            try workspace.checkFile(start, given: path)
            files = [start.parts.joined(separator: "/")]
            isWhole = true
            return
        }
        let hidden = Set(workspace.hidden)
        var files: [String] = []
        var isLate = false
        let isWhole = FolderWalk.visit(start.descriptor, parts: start.parts) { parts, entry, _ in
            guard !entry.name.hasPrefix("."), entry.kind == .file || entry.kind == .folder else { return .skip }
            guard !SecretNames.matchLast(of: parts[...]) else { return .skip }
            if entry.kind == .folder {
                isLate = ContinuousClock.now > deadline
                return isLate
                    ? .stop : Self.skipped.contains(entry.name) || hidden.contains(Workspace.joined(start.root, parts)) ? .skip : .enter
            }
            let file = parts.joined(separator: "/")
            let below = parts.dropFirst(start.parts.count).joined(separator: "/")
            if query.glob?.matches(below) ?? true, hidden.isEmpty || !hidden.contains(Workspace.joined(start.root, parts)) {
                files.append(file)
            }
            return files.count < Self.fileLimit && !Task.isCancelled ? .enter : .stop
        }
        self.files = files
        self.isWhole = isWhole
    }

    /// How results name a file.
    func shown(_ file: String) -> String { given == workspace.roots.first ? file : root.string + "/" + file }

    /// Opens one of the files. The walk went through no link, so each must really lie where its name says; what lies elsewhere by now was
    /// exchanged meanwhile.
    func open(_ file: String) throws -> OpenedPlace {
        let descriptor = try workspace.opener.open(file, below: rootDescriptor, O_RDONLY | O_NOFOLLOW)
        let status = try descriptor.status()
        guard status.isFile, try descriptor.realPath().string == root.string + "/" + file else { throw PathRules.outside(file) }
        let opened = OpenedPlace(
            descriptor: descriptor, status: status, root: root, parts: file.split(separator: "/").map(String.init), name: shown(file))
        try workspace.checkFile(opened, given: file)
        return opened
    }
}
