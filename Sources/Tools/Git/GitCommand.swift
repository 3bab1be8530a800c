import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// Runs git in one repository, with nothing of the user's or the repository's that would have it run other programs, ask, or reach out.
struct GitCommand: Sendable {
    let repository: GitRepository
    let workspace: Workspace
    private let overrides: [(String, String)]

    /// - Throws: what opening a folder throws; 422 where there is no repository; 403 for one that reaches out of the workspace.
    init(_ workspace: Workspace, in path: String, from workingFolder: String?) async throws {
        self.workspace = workspace
        let repository = try await offPool { try GitRepository(workspace, folder: try workspace.openFolder(path, from: workingFolder)) }
        self.repository = repository
        let plain = GitCommand(repository: repository, workspace: workspace, overrides: GitConfiguration.always)
        let list = try await plain.run(["config", "--list", "-z", "--no-includes"])
        guard list.status == 0 else {
            throw ServiceError.invalid(
                "The repository's configuration cannot be read: \(list.errText.prefix(300))", parameter: "working_dir")
        }
        let configuration = GitConfiguration(list: list.out)
        if let include = configuration.includes.first {
            throw PathRules.denied(
                "The repository's configuration reads other files (\(include)); git is not run with it. Remove that setting.")
        }
        if let tree = configuration.value("core.worktree"),
            Workspace.real(repository.gitFolder.pushing(FilePath(tree)).lexicallyNormalized()) != repository.workTree
        {
            throw PathRules.denied(
                "Path traversal blocked: the repository's setting core.worktree leads elsewhere; git is not run with it. Remove that setting."
            )
        }
        overrides = configuration.overrides
    }

    private init(repository: GitRepository, workspace: Workspace, overrides: [(String, String)]) {
        (self.repository, self.workspace, self.overrides) = (repository, workspace, overrides)
    }

    /// - Parameters:
    ///   - writes: whether the index may be locked; without, git changes nothing.
    ///   - input: standard input.
    func run(_ arguments: [String], writes: Bool = false, input: [UInt8] = []) async throws -> BoundedProgram.Output {
        try await BoundedProgram(name: "git", environment: environment(writes: writes)).run(arguments, in: repository.folder, input: input)
    }

    private func environment(writes: Bool) -> [String: String] {
        var environment = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "HOME": "/dev/null", "XDG_CONFIG_HOME": "/dev/null",
            "LC_ALL": "C.UTF-8", "GIT_DIR": repository.gitFolder.string, "GIT_WORK_TREE": repository.workTree.string,
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1", "GIT_EDITOR": "false", "GIT_PAGER": "cat", "GIT_ASKPASS": "false", "GIT_OPTIONAL_LOCKS": "0",
        ]
        if writes { environment["GIT_OPTIONAL_LOCKS"] = "1" }
        let all = overrides + [("safe.directory", repository.workTree.string)]
        environment["GIT_CONFIG_COUNT"] = "\(all.count)"
        for (index, (key, value)) in all.enumerated() {
            environment["GIT_CONFIG_KEY_\(index)"] = key
            environment["GIT_CONFIG_VALUE_\(index)"] = value
        }
        return environment
    }

    /// The absolute path of a file that a caller names, for git; it need not exist, git knows files that are gone.
    ///
    /// - Throws: 403 outside of the work tree and for secrets.
    func path(_ given: String, from workingFolder: String?) throws -> FilePath {
        let place = try workspace.place(given, from: workingFolder)
        try workspace.checkWords(place)
        let way = workspace.spelled(place.way, below: try workspace.openRoot(place))
        let path = Workspace.real(place.root).pushing(FilePath(way)).lexicallyNormalized()
        guard path.starts(with: repository.workTree) else { throw PathRules.outside(given) }
        return path
    }

    /// Names that git separated by NUL bytes, as paths below the work tree.
    static func names(_ output: Data) -> [String] { output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) } }

    /// Whether a file of the work tree is a secret, also under another name.
    func isSecret(_ name: String) -> Bool {
        let path = repository.workTree.pushing(FilePath(name))
        if workspace.isDenied(path) { return true }
        var status = stat()
        guard lstat(path.string, &status) == 0, status.isFile, status.st_nlink > 1 else { return false }
        return !workspace.namesAreKnown(of: status)
    }
}
