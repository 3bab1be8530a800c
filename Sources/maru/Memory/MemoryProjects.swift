import ArgumentParser
import Foundation
import ServiceKit
import SuiteAPI

/// `maru memory init`.
struct MemoryInit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Give a folder a memory of its own: .ai-memory/project.json.",
        discussion: "Commands of memory that are run in the folder or below it mean that memory then.")
    @Argument(help: "The folder; the current one without it.") var folder: String?
    @Option(help: "The project's name for people; the folder's without it.") var name: String?

    func run() async throws {
        let place = folder.map { URL(filePath: $0, directoryHint: .isDirectory) } ?? .currentDirectory()
        guard (try? place.resourceValues(forKeys: [.isDirectoryKey]).isDirectory) == true else {
            throw CommandError("\(place.path(percentEncoded: false)) is no folder.")
        }
        let made = try MemoryProjectFile.make(in: place, name: name)
        print("\(made.isNew ? "Made" : "There is already") project \(made.file.project_id) (\(made.file.project_name))")
    }
}

/// `maru memory projects`.
struct MemoryProjects: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "projects", abstract: "Every memory there is.")
    @Flag(help: "Print the answer as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let client = try await Session(given).clients.memory
        let projects = try await reachable { try await client.projects() }
        if json { return print(String(decoding: try JSONEncoder.sorted.encode(projects), as: UTF8.self)) }
        guard !projects.isEmpty else { return print("Nothing was saved yet.") }
        print(
            Table(["PROJECT", "OWNER", "CONVERSATIONS", "IMPORTANCE", "LATEST (UTC)"]).rows(
                projects.map { row in
                    [
                        row.project_id, VisibleText.line(row.owner ?? "-"), row.total_conversations.map(String.init) ?? "-",
                        row.avg_importance.map { $0.formatted(.number.precision(.fractionLength(1))) } ?? "-",
                        row.error.map { "cannot be opened: \($0)" } ?? String(row.latest_conversation?.prefix(16) ?? "-"),
                    ]
                }))
    }
}

/// `maru memory stats`.
struct MemoryStats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stats", abstract: "A memory in numbers.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let answer = try await options.asking { try await $0.stats($1) }
        let stats = answer["stats"] ?? .null
        try options.show(answer) {
            func counts(_ name: String) -> String {
                (stats[name]?.objectValue ?? [:]).filter { ($0.value.intValue ?? 0) > 0 }
                    .sorted { ($0.key.count, $0.key) < ($1.key.count, $1.key) }
                    .map { "\(VisibleText.line($0.key)): \($0.value.intValue ?? 0)" }.joined(separator: ", ")
            }
            return """
                project        \(answer["project_id"]?.stringValue ?? "")
                conversations  \(stats["total_conversations"]?.intValue ?? 0), from \(stats["oldest_conversation"]?.stringValue ?? "-") to \
                \(stats["latest_conversation"]?.stringValue ?? "-")
                importance     \(counts("importance_distribution"))
                models         \(counts("model_usage"))
                vectors        \(stats["pending_vectors"]?.intValue ?? 0) not written yet
                """
        }
    }
}

/// `maru memory forget`.
struct MemoryForget: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Forget a whole project; its backups stay.")
    @Argument(help: "The project.") var project: String
    @Flag(help: "Do not ask.") var yes = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        guard yes || Self.isSure(project) else { throw CommandError("Nothing was forgotten.") }
        let client = try await Session(given).clients.memory
        try await reachable { try await client.forget(project) }
        print("Forgot \(project).")
    }

    private static func isSure(_ project: String) -> Bool {
        guard Terminal.isInteractive else { return false }
        print("All of \(project) will be forgotten. Its name again, to be sure:")
        return readLine() == project
    }
}
