import ServiceKit

/// `git_log`: the latest commits.
struct GitLog: Tool {
    let name = "git_log"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let git = try await GitCommand(workspace, in: ".", from: arguments.optionalString("working_dir"))
        var words = ["log", "--max-count=\(arguments.integer("max_count"))"]
        if arguments.flag("oneline") { words.append("--oneline") }
        let log = try await git.run(words + ["--no-show-signature", "--no-ext-diff", "--no-textconv", "--end-of-options", "HEAD", "--"])
        return GitAnswer.result("git " + words.joined(separator: " "), log, whenEmpty: "no commits")
    }
}
