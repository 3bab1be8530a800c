import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru tool`.
struct ToolCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tool", abstract: "List tools and call them.",
        subcommands: [List.self, Info.self, Call.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The tools that you may call.")
        @Flag(help: "Print them with their schemas as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let tools = try await reachable { try await Session(given).clients.tools.list() }
            if json { return print(try pretty(.array(tools))) }
            let rows = tools.map { tool in
                let name = tool["name"]?.stringValue ?? ""
                return [name, ToolCatalogue[name]?.needsApproval == true ? "approval" : "", tool["description"]?.stringValue ?? ""]
            }
            print(Table(["TOOL", "NEEDS", "WHAT IT DOES"]).rows(rows))
        }
    }

    struct Info: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "info", abstract: "What a tool does, its arguments, who may call it and how often.")
        @Argument(help: "The tool.") var name: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let info = try await reachable { try await Session(given).clients.tools.info(name) }
            guard let tool = ToolCatalogue[name] else { return print(try pretty(info)) }
            print("\(tool.name): \(tool.summary)\n")
            let rows = tool.arguments.map { argument in
                [
                    argument.name, argument.schema["type"]?.stringValue ?? "",
                    argument.isRequired ? "required" : argument.defaultValue.map { "default \((try? pretty($0)) ?? "")" } ?? "optional",
                    argument.summary,
                ]
            }
            if !rows.isEmpty { print(Table(["ARGUMENT", "TYPE", "", "WHAT IT IS"]).rows(rows) + "\n") }
            let limit = tool.limit
            print("Sensitivity \(tool.sensitivity.rawValue); \(tool.needsApproval ? "calls have to be approved" : "no approval needed").")
            print(
                "For \(tool.leastRole.rawValue) and up; \(limit.calls + limit.burst) calls in \(limit.seconds) s, \(limit.concurrent) at once."
            )
        }
    }

    struct Call: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "call", abstract: "Call a tool.",
            discussion: """
                  maru tool call read_file path=README.md
                  maru tool call git_log max_count=3 oneline=false
                  maru tool call execute_python --args '{"code": "print(6 * 7)"}'
                A call that needs approval waits for it, and then runs by itself; Ctrl-C stops waiting, and the request stays.
                """)
        @Argument(help: "The tool.") var name: String
        @Argument(help: ArgumentHelp("Arguments; a value is read as the tool's schema says.", valueName: "name=value")) var pairs:
            [String] = []
        @Option(help: ArgumentHelp("Arguments as a JSON object; “-” reads it from standard input.", valueName: "json")) var args: String?
        @Flag(inversion: .prefixedNo, help: "Wait for an approval where one is needed.") var wait = true
        @Flag(help: "Print the whole result as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let clients = try await Session(given).clients
            let arguments = try CallArguments.parse(args, pairs: pairs, tool: ToolCatalogue[name])
            var answer = try await reachable { try await called(clients.tools, arguments, approvalID: nil) }
            if let id = answer.approvalID {
                guard wait else { return try show(answer) }
                FileHandle.standardError.write(Data("Waiting for approval \(id) (maru approvals approve \(id.prefix(8)))\n".utf8))
                try await ApprovalWait(clients: clients, id: id).untilApproved()
                answer = try await reachable { try await called(clients.tools, arguments, approvalID: id) }
            }
            try show(answer)
        }

        private func called(_ tools: ToolClient, _ arguments: JSONValue, approvalID: String?) async throws -> ToolClient.Answer {
            for try await event in try await tools.call(name, arguments: arguments, approvalID: approvalID) {
                switch event {
                case .progress(let share, let message): show(progress: "\(Int(share * 100)) %  \(message)")
                case .answer(let answer):
                    if Terminal.isInteractive { show(progress: "") }
                    return answer
                }
            }
            throw CommandError("The tool server broke off. See: maru logs mcp-server")
        }

        /// On a terminal the line is drawn over; elsewhere each is a line of its own. Standard output is for the result alone.
        private func show(progress text: String) {
            FileHandle.standardError.write(Data((Terminal.isInteractive ? "\r\u{1B}[K\(text)" : text + "\n").utf8))
        }

        private func show(_ answer: ToolClient.Answer) throws {
            guard let result = answer.result else {
                if json { print(try pretty(answer.body)) }
                let whole = try pretty(answer.body)
                throw CommandError(answer.body["detail"]?.stringValue ?? whole)
            }
            if json { return print(try pretty(result)) }
            // What people look for comes as it is: output, content, an answer.
            let text = ["stdout", "content", "response"].compactMap { result[$0]?.stringValue }.first { !$0.isEmpty }
            if let text { print(text) } else { print(try pretty(result)) }
            if let error = result["stderr"]?.stringValue, !error.isEmpty { FileHandle.standardError.write(Data((error + "\n").utf8)) }
            if result["success"]?.boolValue == false { throw ExitCode.failure }
        }
    }
}

func pretty(_ value: JSONValue) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
