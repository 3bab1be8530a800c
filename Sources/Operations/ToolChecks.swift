import Foundation
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// S29: a tool reads a file, and what it answers is what the file holds.
    static func toolCall(_ context: CheckContext) async throws -> Finding {
        let root = context.settings.workspaceRoots[0]
        guard let name = readable(in: root.string) else {
            return Finding(
                .inconclusive, reason: "there is no text file in \(root) that could be read; PROJECT_ROOT says which folder it is")
        }
        let expected = try String(contentsOfFile: root.appending(name).string, encoding: .utf8)
        let answer = try await called("read_file", ["path": .string(name)], context)
        guard answer.result?["content"]?.stringValue == expected else {
            return Finding(
                .fail, value: "HTTP \(answer.status)",
                reason: answer.body["detail"]?.stringValue ?? "\(name) came back otherwise than it is",
                evidence: String(text(answer.body).prefix(2_000)))
        }
        return Finding(.pass, value: "\(name), \(expected.utf8.count) bytes", evidence: String(text(answer.body).prefix(2_000)))
    }

    /// N10: the tools are all there, and every one that only reads does its work. The others are tried as a guest, who must be refused.
    static func everyTool(_ context: CheckContext) async throws -> Finding {
        let offered = Set(try await context.clients.tools.list().compactMap { $0["name"]?.stringValue })
        let missing = ToolCatalogue.all.map(\.name).filter { !offered.contains($0) }
        guard missing.isEmpty else {
            return Finding(
                .fail, value: "\(offered.count) of \(ToolCatalogue.all.count)", reason: "missing: \(missing.joined(separator: ", "))")
        }
        let isRepository = FileManager.default.fileExists(atPath: context.settings.workspaceRoots[0].appending(".git").string)
        var calls: [(String, JSONValue)] = [
            ("list_files", [:]), ("search_files", ["pattern": "maru", "max_results": 1]), ("get_current_model", [:]),
            ("get_system_info", [:]),
            ("rag_search", ["query": .string(Probe.question), "collection": .string(Probe.collection)]),
            ("ai_chat", ["message": "Say: yes"]),
        ]
        if isRepository { calls += [("git_status", [:]), ("git_log", ["max_count": 1]), ("git_diff", [:])] }
        var failed: [String] = []
        var evidence: [String] = []
        for (tool, arguments) in calls {
            let answer = try await called(tool, arguments, context)
            evidence.append("\(tool): HTTP \(answer.status) \(text(answer.body).prefix(200))")
            if answer.result == nil { failed.append("\(tool): \(answer.body["detail"]?.stringValue ?? "HTTP \(answer.status)")") }
        }
        var refused = 0
        if context.settings[SettingKeys.securityMode] == .development {
            for tool in ToolCatalogue.all where tool.leastRole > .guest {
                let probe = try await Probed(context, .POST, "/tools/\(tool.name)/call", headers: ["X-User-ID": "guest_user"], body: "{}")
                evidence.append("guest, \(tool.name): \(probe)")
                if probe.status == 403 { refused += 1 } else { failed.append("\(tool.name): a guest is answered \(probe.status), not 403") }
            }
        }
        let value = "\(offered.count) tools, \(calls.count) called, \(refused) refused to a guest"
        guard failed.isEmpty else {
            return Finding(.fail, value: value, reason: failed.joined(separator: "; "), evidence: evidence.joined(separator: "\n"))
        }
        return Finding(.pass, value: value, evidence: evidence.joined(separator: "\n"))
    }

    private static func called(_ tool: String, _ arguments: JSONValue, _ context: CheckContext) async throws -> ToolClient.Answer {
        for try await event in try await context.clients.tools.call(tool, arguments: arguments) {
            if case .answer(let answer) = event { return answer }
        }
        throw UpstreamError(service: ServiceID.mcpServer.rawValue, message: "broke off the answer of \(tool)")
    }

    /// README.md, or the first text file at the top of a folder.
    private static func readable(in folder: String) -> String? {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted {
            ($0 == "README.md" ? 0 : 1, $0) < ($1 == "README.md" ? 0 : 1, $1)
        }
        return names.prefix(200).first { name in
            guard !name.hasPrefix("."),
                ["md", "txt", "swift", "py", "json"].contains(name.split(separator: ".").last.map(String.init) ?? "")
            else { return false }
            return ((try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? "").isEmpty == false
        }
    }
}
