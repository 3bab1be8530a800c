import Foundation
import ServiceKit
import SystemPackage

/// `git_diff`: changes, those of secrets left out.
struct GitDiff: Tool {
    let name = "git_diff"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let (file, isStaged) = (arguments.string("file_path"), arguments.flag("staged"))
        let folder = arguments.optionalString("working_dir")
        let git = try await GitCommand(workspace, in: ".", from: folder)
        let paths = file.isEmpty ? [] : [try await offPool { try git.path(file, from: folder).string }]
        let (diff, hidden) = try await Self.diff(git, isStaged ? ["--cached"] : [], paths)
        let note = hidden.isEmpty ? "" : "Not shown, since secrets may lie there: \(hidden.joined(separator: ", "))"
        return GitAnswer.result(
            "git diff" + (isStaged ? " --cached" : "") + (file.isEmpty ? "" : " -- \(file)"), diff, note: note, whenEmpty: "no changes")
    }

    /// A diff, and the files that it leaves out.
    static func diff(_ git: GitCommand, _ options: [String], _ paths: [String]) async throws -> (BoundedProgram.Output, hidden: [String]) {
        let words = ["diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--no-renames"] + options
        let names = try await git.run(words + ["--name-only", "-z", "--"] + paths)
        guard names.status == 0, !names.isCut else { return (names, []) }
        let all = GitCommand.names(names.out)
        let hidden = try await offPool { all.filter(git.isSecret) }
        guard !hidden.isEmpty else { return (try await git.run(words + ["--"] + paths), []) }
        let shown = Set(all).subtracting(hidden).sorted().prefix(2_000).map { git.repository.workTree.appending($0).string }
        guard !shown.isEmpty else { return (BoundedProgram.Output(), hidden) }
        return (try await git.run(words + ["--"] + shown), hidden)
    }
}
