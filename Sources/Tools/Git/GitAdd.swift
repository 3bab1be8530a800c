import ServiceKit

/// `git_add`: stages files.
struct GitAdd: Tool {
    /// Names that one call takes.
    private static let limit = 1_000

    let name = "git_add"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let folder = arguments.optionalString("working_dir")
        var files = try QuotedWords.split(arguments.string("file_paths"), parameter: "file_paths")
        if files.isEmpty { files = ["."] }
        guard files.count <= Self.limit else {
            throw ServiceError.tooLarge("\(files.count) names are given; at most \(Self.limit) are taken.")
        }
        let git = try await GitCommand(workspace, in: ".", from: folder)
        let outcome = try await GitStaging(git: git).stage(files, from: folder)
        let staged = outcome.staged.isEmpty ? "nothing to stage" : "staged: " + outcome.staged.prefix(1_000).joined(separator: ", ")
        return GitAnswer.result(
            "git add -- " + files.joined(separator: " "), outcome.run, note: outcome.notes.joined(separator: "\n"), whenEmpty: staged)
    }
}
