import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// `git_commit`: commits what is staged. Hooks are not run: they are programs of whoever wrote the repository.
struct GitCommit: Tool {
    let name = "git_commit"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let message = try Self.message(arguments)
        let folder = arguments.optionalString("working_dir")
        let git = try await GitCommand(workspace, in: ".", from: folder)
        var notes: [String] = []
        if arguments.flag("add_all") {
            let outcome = try await GitStaging(git: git).stage([git.repository.workTree.string], from: nil)
            guard outcome.run.status == 0 else { return GitAnswer.result("git add -- .", outcome.run, whenEmpty: "") }
            notes = outcome.notes
        }
        try await Self.checkStaged(git)
        let run = try await git.run(
            ["commit", "--no-verify", "--no-gpg-sign", "--no-status", "--cleanup=whitespace", "--file=-"], writes: true,
            input: Array(message.utf8))
        return GitAnswer.result("git commit -m …", run, note: notes.joined(separator: "\n"), whenEmpty: "committed")
    }

    /// What would be committed: figures, then the diff.
    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        _ = try Self.message(arguments)
        let git = try await GitCommand(workspace, in: ".", from: arguments.optionalString("working_dir"))
        try await Self.checkStaged(git)
        let options = arguments.flag("add_all") ? ["HEAD"] : ["--cached"]
        let (diff, hidden) = try await GitDiff.diff(git, options + ["--stat", "--patch"], [])
        var text = diff.status == 0 ? diff.outText : ""
        if arguments.flag("add_all") {
            let new = try await git.run(["ls-files", "--others", "--exclude-standard", "-z", "--", git.repository.workTree.string])
            let names = try await offPool { GitCommand.names(new.out).filter { !git.isSecret($0) } }
            if !names.isEmpty { text += "\nNew files: " + names.prefix(1_000).joined(separator: ", ") + "\n" }
        }
        if !hidden.isEmpty { text += "\nNot among it, since secrets may lie there: \(hidden.joined(separator: ", "))\n" }
        return text.isEmpty ? "Nothing is staged." : String(text.prefix(65_536))
    }

    private static func message(_ arguments: ToolArguments) throws -> String {
        let message = arguments.string("message")
        guard message.contains(where: { !$0.isWhitespace }), !message.contains("\0") else {
            throw ServiceError.invalid("The commit's message is empty.", parameter: "message")
        }
        return message
    }

    /// - Throws: 403 when a secret is staged, by whomever.
    private static func checkStaged(_ git: GitCommand) async throws {
        let names = try await git.run([
            "diff", "--cached", "--name-only", "--no-renames", "--diff-filter=d", "--ignore-submodules=dirty", "-z", "--",
        ])
        let secrets = try await offPool { GitCommand.names(names.out).filter(git.isSecret) }
        guard secrets.isEmpty else {
            throw PathRules.denied(
                "Sensitive file access blocked: \(secrets.prefix(20).joined(separator: ", ")) is staged, where secrets may lie. Take it out of the index first."
            )
        }
    }
}
