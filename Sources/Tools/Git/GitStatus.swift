import ServiceKit

/// `git_status`: what has changed below a folder.
struct GitStatus: Tool {
    let name = "git_status"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let git = try await GitCommand(workspace, in: arguments.string("path"), from: arguments.optionalString("working_dir"))
        let status = try await git.run(["status", "--porcelain", "--ignore-submodules=dirty", "--no-renames", "--", "."])
        return GitAnswer.result("git status --porcelain", status, whenEmpty: "no changes (clean)")
    }
}
