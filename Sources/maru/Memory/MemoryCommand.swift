import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru memory`.
struct MemoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "What was said before: find it, keep it, look after it.",
        discussion: """
            Which memory is meant: --project, else that of the folder (`maru memory init` gives it one), else DEFAULT_PROJECT_ID, else your own.
            """,
        groupedSubcommands: [
            CommandGroup(
                name: "Use",
                subcommands: [
                    MemorySearch.self, MemoryRecall.self, MemorySave.self, MemoryList.self, MemoryShow.self, MemoryEdit.self,
                    MemoryDelete.self,
                    MemoryLearnt.self,
                ]),
            CommandGroup(name: "Projects", subcommands: [MemoryInit.self, MemoryProjects.self, MemoryStats.self, MemoryForget.self]),
            CommandGroup(
                name: "Look after",
                subcommands: [
                    MemoryStatus.self, MemoryCheck.self, MemoryCleanup.self, MemorySync.self, MemoryQueue.self, MemoryOptimize.self,
                    MemoryRebuild.self, MemoryDigest.self,
                ]),
            CommandGroup(
                name: "Back up",
                subcommands: [
                    MemoryBackupCommand.self, MemoryBackups.self, MemoryRestoreCommand.self, MemoryExportCommand.self,
                    MemoryImportCommand.self,
                ]),
        ])
}

/// What every command of memory takes.
struct MemoryOptions: ParsableArguments {
    @Option(help: "The project; without it that of the folder, else your own.") var project: String?
    @Flag(help: "Print the answer as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    /// Asks the memory service about the project that is meant.
    func asking<Value>(_ work: (MemoryClient, _ project: String) async throws -> Value) async throws -> Value {
        let client = try await client
        return try await reachable {
            do {
                return try await work(client, try await meant(client))
            } catch let error as UpstreamError where error.status != nil {
                throw CommandError(error.message)
            }
        }
    }

    var client: MemoryClient {
        get async throws { try await Session(given).clients.memory }
    }

    /// The project that is named, that of the folder, or the one that the service takes for ours.
    func meant(_ client: MemoryClient) async throws -> String {
        if let project { return project }
        if let file = try MemoryProjectFile.nearest(to: .currentDirectory()) { return file.project_id }
        return try await client.search(SearchConversationsRequest(limit: 1)).project_id
    }

    /// Prints an answer as JSON, or as text made from it.
    func show(_ answer: some Encodable, _ text: () -> String) throws {
        guard json else { return print(text()) }
        let encoder = JSONEncoder.sorted
        encoder.outputFormatting.insert(.prettyPrinted)
        print(String(decoding: try encoder.encode(answer), as: UTF8.self))
    }
}

/// Conversations as lines for people: nothing in them may speak to the terminal.
enum MemoryText {
    static func turn(_ value: JSONValue, lines: Int = 2) -> String {
        let head = [
            "#\(value["id"]?.intValue ?? 0)", String(value["timestamp"]?.stringValue?.prefix(16) ?? "").replacing("T", with: " "),
            "importance \(value["importance_score"]?.intValue ?? 0)",
            value["search_score"]?.doubleValue.map { "score \($0.formatted(.number.precision(.fractionLength(3))))" },
            value["search_method"]?.stringValue,
            value["search_metadata"]?["matched_terms"]?.arrayValue.flatMap {
                $0.isEmpty ? nil : "words " + $0.compactMap(\.stringValue).map { VisibleText.line($0) }.joined(separator: " ")
            },
        ].compactMap { $0 }.joined(separator: "  ")
        return """
            \(head)
              Q: \(short(value["user_query"]?.stringValue ?? ""))
              A: \(short(value["ai_response"]?.stringValue ?? ""))
            """
    }

    static func short(_ text: String, _ length: Int = 160) -> String {
        let line = VisibleText.line(text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
        return line.count > length ? line.prefix(length) + "…" : line
    }
}
