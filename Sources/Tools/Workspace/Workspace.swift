import Foundation
import HTTPTypes
import ServiceKit
import Suite
import SystemPackage

/// The folders that tools may open, and what in them is nobody's business.
///
/// Everything is opened below a root by the kernel's own rule (openat2(2), RESOLVE_BENEATH), and judged after it was opened, on the
/// descriptor: which kind it is, where it really lies, whether it has names elsewhere. A link or a folder that is exchanged meanwhile
/// changes nothing about what was judged.
public struct Workspace: Sendable {
    /// The folders, `PROJECT_ROOT` first, as they were given.
    public let roots: [FilePath]
    /// Files and folders that are out of reach although they may lie in a root: `DATA_DIR`, the `.env` in force.
    let hidden: [FilePath]
    /// Folders that may be read and not written: models.
    let readOnly: [FilePath]
    let opener: BeneathOpener
    /// The roots as given and without links.
    private let spellings: [FilePath]

    /// - Parameters:
    ///   - roots: absolute paths; relative paths of calls start at the first.
    ///   - hidden: absolute paths that are out of reach with all that lies in them. A root that lies in one of them stays in reach.
    ///   - readOnly: absolute paths of folders that are not written to.
    public init(roots: [FilePath], hidden: [FilePath] = [], readOnly: [FilePath] = []) {
        self.init(roots: roots, hidden: hidden, readOnly: readOnly, opener: BeneathOpener())
    }

    init(roots: [FilePath], hidden: [FilePath], readOnly: [FilePath], opener: BeneathOpener) {
        self.roots = roots
        self.hidden = hidden.flatMap { [$0, Self.real($0)] }
        self.readOnly = readOnly.flatMap { [$0, Self.real($0)] }
        self.opener = opener
        spellings = roots.flatMap { [$0, Self.real($0)] }
    }

    /// The workspace that `PROJECT_ROOT` and `ALLOWED_ROOTS` describe. Of `DATA_DIR` only its `workspace` can be a root.
    public init(settings: Settings) {
        let data = settings.dataFolders.root
        let own = data.appending("workspace")
        let roots = settings.workspaceRoots.filter { !$0.starts(with: data) || $0.starts(with: own) }
        self.init(
            roots: roots.isEmpty ? [own] : roots, hidden: [data] + (settings.envFile.map { [$0] } ?? []), readOnly: [settings.modelsFolder])
    }

    /// Makes the first root if it is missing. Others may look into it: `DATA_DIR`, where it lies by default, is its owner's alone, and a
    /// sandboxed run of root's belongs to somebody else.
    ///
    /// - Throws: the file system's error.
    public func prepare() throws {
        guard let first = roots.first, !FileManager.default.fileExists(atPath: first.string) else { return }
        try FileManager.default.createDirectory(
            atPath: first.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }

    /// Whether a file or folder is a secret or the stack's own, and is to be kept from tools and sandboxes.
    ///
    /// - Parameter path: absolute; below a root its part from there on is looked at, elsewhere the whole.
    public func isDenied(_ path: FilePath) -> Bool {
        let path = path.lexicallyNormalized()
        guard let root = root(of: path) else { return SecretNames.match(path.parts) || hidden.contains { path.starts(with: $0) } }
        return isHidden(path, in: root) || SecretNames.match(path.parts(below: root))
    }

    /// Whether a file or folder may not be written: secrets, what belongs to git itself, models.
    public func isWriteDenied(_ path: FilePath) -> Bool {
        isDenied(path) || SecretNames.isGitFolder(root(of: path).map { path.parts(below: $0) } ?? path.parts)
            || readOnly.contains { path.starts(with: $0) }
    }

    /// The root that a path lies in: the longest, where roots lie in roots.
    func root(of path: FilePath) -> FilePath? {
        spellings.filter { path.starts(with: $0) }.max { $0.components.count < $1.components.count }
    }

    /// What hides a path must lie in the root, not around it: `DATA_DIR/workspace` can be a root.
    private func isHidden(_ path: FilePath, in root: FilePath) -> Bool {
        hidden.contains { path.starts(with: $0) && $0.starts(with: root) }
    }

    /// A path without links, as far as it exists; as it was, where it does not.
    static func real(_ path: FilePath) -> FilePath {
        guard let text = realpath(path.string, nil) else {
            guard let name = path.lastComponent, path.components.count > 1 else { return path }
            return real(path.removingLastComponent()).appending(name)
        }
        defer { free(text) }
        return FilePath(platformString: text)
    }
}

extension FilePath {
    var parts: [String] { components.map(\.string) }

    /// The parts after those of a folder that the path lies in.
    func parts(below folder: FilePath) -> [String] { components.dropFirst(folder.components.count).map(\.string) }
}
