import Sandbox
import ServiceKit
import Suite
import SuiteAPI

/// The tools that run programs: in the sandbox, and nowhere else.
enum ExecuteTools {
    static func all(_ workspace: Workspace, sandbox: Sandbox, settings: Settings) -> [any Tool] {
        let runner = SandboxRunner(sandbox: sandbox, workspace: workspace, settings: settings)
        return [ExecutePython(runner: runner), ExecuteBash(runner: runner), RunCommand(runner: runner)]
    }
}

/// `execute_python`: a program of its own, without the workspace.
struct ExecutePython: Tool {
    let name = "execute_python"
    let runner: SandboxRunner

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let code = arguments.string("code")
        // The program comes by standard input: an argument may not be that long (execve(2), MAX_ARG_STRLEN).
        return try await runner.run(
            ["python3", "-I", "-"], input: Array(code.utf8), seconds: arguments.integer("timeout"),
            shown: "python: \(code.prefix(50))", context)
    }

    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? { arguments.string("code") }
}

/// `execute_bash`.
struct ExecuteBash: Tool {
    let name = "execute_bash"
    let runner: SandboxRunner

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let command = arguments.string("command")
        guard !command.allSatisfy(\.isWhitespace) else { throw ServiceError.invalid("The command is empty.", parameter: "command") }
        return try await runner.run(
            ["bash", "-c", command], seconds: arguments.integer("timeout"),
            in: .workspace(arguments.optionalString("working_dir")), shown: command, context)
    }

    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        try await runner.preview(arguments.string("command"), in: .workspace(arguments.optionalString("working_dir")))
    }
}

/// `run_command`: a program and its arguments, no shell between.
struct RunCommand: Tool {
    let name = "run_command"
    let runner: SandboxRunner

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let command = [arguments.string("command")] + arguments.strings("args")
        guard command[0].contains(where: { !$0.isWhitespace }) else {
            throw ServiceError.invalid("The command is empty.", parameter: "command")
        }
        return try await runner.run(
            command, seconds: arguments.integer("timeout"), in: .workspace(arguments.optionalString("working_dir")),
            shown: Self.quoted(command), context)
    }

    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        try await runner.preview(
            Self.quoted([arguments.string("command")] + arguments.strings("args")), in: .workspace(arguments.optionalString("working_dir")))
    }

    /// As a POSIX shell would have to be given it: where one argument ends and the next begins can be seen.
    static func quoted(_ words: [String]) -> String {
        words.map { word in
            let isPlain =
                !word.isEmpty
                && word.utf8.allSatisfy { ascii in
                    switch ascii {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"):
                        true
                    default: "-_./=:,@%+".utf8.contains(ascii)
                    }
                }
            return isPlain ? word : "'\(word.replacing("'", with: #"'\''"#))'"
        }.joined(separator: " ")
    }
}
