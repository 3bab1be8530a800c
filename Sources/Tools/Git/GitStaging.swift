import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// Stages changed files. Which, is found out first and then told to git one by one, so that no secret is among them, no submodule, whose
/// own configuration nobody looked at, and nothing that a program would have to convert first.
struct GitStaging: Sendable {
    struct Outcome: Sendable {
        let run: BoundedProgram.Output
        let staged: [String]
        /// Sentences about what was left out.
        let notes: [String]
    }

    let git: GitCommand

    /// - Parameter files: as the caller names them.
    /// - Throws: 403 for a secret that is named, 404 for a file that neither exists nor is known to git.
    func stage(_ files: [String], from workingFolder: String?) async throws -> Outcome {
        let paths = try await offPool { try files.map { try git.path($0, from: workingFolder) } }
        let status = try await git.run(
            ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=dirty", "--"]
                + paths.map(\.string))
        guard status.status == 0, !status.isCut else { return Outcome(run: status, staged: [], notes: []) }
        let changed = GitCommand.names(status.out).map { String($0.dropFirst(3)) }
        try await offPool { try check(zip(files, paths), changed) }
        let (secrets, rest) = try await offPool { (changed.filter(git.isSecret), changed.filter { !git.isSecret($0) }) }
        let nested = try await offPool { rest.filter(isFolder) }
        let wanted = Set(rest).subtracting(nested).sorted()
        try await checkFilters(wanted)
        var notes: [String] = []
        if !secrets.isEmpty { notes.append("Not staged, since secrets may lie there: \(secrets.joined(separator: ", "))") }
        if !nested.isEmpty { notes.append("Not staged, since they are repositories of their own: \(nested.joined(separator: ", "))") }
        guard !wanted.isEmpty else {
            return Outcome(run: .init(), staged: [], notes: notes)
        }
        let list = wanted.map { git.repository.workTree.appending($0).string }.joined(separator: "\0")
        let run = try await git.run(["add", "--pathspec-from-file=-", "--pathspec-file-nul"], writes: true, input: Array(list.utf8))
        return Outcome(run: run, staged: wanted, notes: notes)
    }

    private func check(_ named: Zip2Sequence<[String], [FilePath]>, _ changed: [String]) throws {
        let changed = changed.map { git.repository.workTree.pushing(FilePath($0)) }
        for (given, path) in named {
            guard !changed.contains(where: { $0.starts(with: path) }) else { continue }
            var status = stat()
            guard lstat(path.string, &status) == 0 else { throw ServiceError.notFound("\(PathRules.shown(given)) does not exist.") }
        }
        for (given, path) in named where changed.contains(path) && git.isSecret(path.string) { throw PathRules.secret(given) }
    }

    private func isFolder(_ name: String) -> Bool {
        var status = stat()
        return lstat(git.repository.workTree.pushing(FilePath(name)).string, &status) == 0 && status.isFolder
    }

    /// - Throws: 422 for files that a filter converts (git-lfs and the like): staged without it they would be stored wrong.
    private func checkFilters(_ files: [String]) async throws {
        guard !files.isEmpty else { return }
        let input = Array(files.joined(separator: "\0").utf8) + [0]
        // check-attr names files from where it runs.
        let prefix = String(repeating: "../", count: git.repository.folder.parts(below: git.repository.workTree).count)
        let names = prefix.isEmpty ? input : Array((files.map { prefix + $0 }.joined(separator: "\0") + "\0").utf8)
        let run = try await git.run(["check-attr", "--stdin", "-z", "filter"], input: names)
        let fields = run.out.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        for start in stride(from: 0, to: fields.count - 2, by: 3) where !["unspecified", "unset"].contains(fields[start + 2]) {
            throw ServiceError(
                .unprocessableContent, code: "needs_filter",
                "\(PathRules.shown(fields[start])) goes through the filter “\(fields[start + 2].prefix(100))” (.gitattributes), which is a program and is "
                    + "not run here. Stage it by hand.", parameter: "file_paths")
        }
    }
}
