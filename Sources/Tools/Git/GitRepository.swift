import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// A repository of the workspace, found without git's help: its folders all lie in the workspace, and git is told where they are instead of
/// looking for them.
struct GitRepository: Sendable {
    let workTree: FilePath
    let gitFolder: FilePath
    /// Where the call works: the work tree, or a folder in it.
    let folder: FilePath

    /// - Throws: 422 where there is no repository, 403 for one that reaches out of the workspace.
    init(_ workspace: Workspace, folder opened: OpenedPlace) throws {
        folder = opened.path
        var parts = opened.parts
        while true {
            let here = Workspace.joined(opened.root, parts)
            if let gitFolder = try Self.gitFolder(in: here, workspace) {
                workTree = here
                self.gitFolder = gitFolder
                try checkInside(workspace)
                return
            }
            guard parts.popLast() != nil else { break }
        }
        throw ServiceError(
            .unprocessableContent, code: "not_a_repository", "\(PathRules.shown(opened.name)) lies in no git repository of the workspace.",
            parameter: "working_dir")
    }

    private static func gitFolder(in folder: FilePath, _ workspace: Workspace) throws -> FilePath? {
        let entry = folder.appending(".git")
        var status = stat()
        guard lstat(entry.string, &status) == 0 else { return nil }
        if status.isFile {
            // Of a linked work tree or a submodule: `gitdir: PATH` (gitrepository-layout(5)).
            guard let path = pointer(entry, prefix: "gitdir:") else { throw outside("\(entry) names no folder.") }
            return try inside(folder.pushing(path), workspace)
        }
        return try inside(entry, workspace)
    }

    /// The path in a small file that points elsewhere.
    private static func pointer(_ file: FilePath, prefix: String = "") -> FilePath? {
        guard let descriptor = try? Descriptor(open(file.string, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
            let data = try? descriptor.read(limit: 8_192)
        else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard text.hasPrefix(prefix) else { return nil }
        let path = text.dropFirst(prefix.count).trimmingCharacters(in: .whitespacesAndNewlines)
        return path.isEmpty ? nil : FilePath(path)
    }

    private static func inside(_ path: FilePath, _ workspace: Workspace) throws -> FilePath {
        let real = Workspace.real(path.lexicallyNormalized())
        guard workspace.root(of: real) != nil, !workspace.isDenied(real) else { throw outside("It leads to \(real).") }
        var status = stat()
        guard lstat(real.string, &status) == 0, status.isFolder else { throw outside("\(real) is no folder.") }
        return real
    }

    private static func outside(_ detail: String) -> ServiceError {
        PathRules.denied(
            "Path traversal blocked: the git folder of this repository does not lie in the workspace. \(detail)",
            code: "path_outside_workspace")
    }

    /// Follows what leads elsewhere from the git folder: the folder that linked work trees share, stores of objects beside the own, links.
    private func checkInside(_ workspace: Workspace) throws {
        var folders = [gitFolder]
        if let common = Self.pointer(gitFolder.appending("commondir")) {
            folders.append(try Self.inside(gitFolder.pushing(common), workspace))
        }
        for folder in folders {
            try Self.checkAlternates(folder.appending("objects"), workspace, depth: 0)
            guard let descriptor = try? Descriptor(open(folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) else { continue }
            var left = 200_000
            try FolderWalk.visit(descriptor, parts: []) { parts, entry, _ in
                left -= 1
                guard left > 0 else { throw Self.outside("It holds too many names to look at.") }
                if entry.kind == .link, workspace.root(of: Workspace.real(Workspace.joined(folder, parts))) == nil {
                    throw Self.outside("The link \(entry.name) in it leads out.")
                }
                // Of the objects only the names of their folders: there are many, and git writes them under names of its own.
                return parts.count > 1 && parts[0] == "objects" ? .skip : .enter
            }
        }
    }

    private static func checkAlternates(_ objects: FilePath, _ workspace: Workspace, depth: Int) throws {
        guard let data = try? Data(contentsOf: URL(filePath: objects.appending("info/alternates").string)) else { return }
        guard depth < 5 else { throw outside("Its stores of objects are nested too deep.") }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let other = try inside(objects.pushing(FilePath(String(line))), workspace)
            try checkAlternates(other, workspace, depth: depth + 1)
        }
    }
}
