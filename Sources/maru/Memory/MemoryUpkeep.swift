import ArgumentParser
import Foundation
import ServiceKit
import SuiteAPI

/// `maru memory status`.
struct MemoryStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "When upkeep ran last, and what came of it.",
        discussion: "Exit code 1 when the maintainer does not run or a job fails.")
    @Flag(help: "Print the answer as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let client = try await Session(given).clients.memory
        let answer = try await reachable { try await client.maintenance() }
        let jobs = (answer["jobs"]?.objectValue ?? [:]).sorted { $0.key < $1.key }
        let isRunning = answer["running"]?.boolValue == true
        if json {
            print(String(decoding: try JSONEncoder.sorted.encode(answer), as: UTF8.self))
        } else {
            print("maintainer \(isRunning ? "runs" : "does NOT run"), last heartbeat \(answer["heartbeat_at"]?.stringValue ?? "never")")
            print(
                Table(["JOB", "LAST BEGUN (UTC)", "LAST DONE (UTC)", "FAILURES", "WHAT"]).rows(
                    jobs.map { name, run in
                        [
                            name, Self.time(run["began_at"]), Self.time(run["succeeded_at"]), "\(run["failures"]?.intValue ?? 0)",
                            MemoryText.short(run["detail"]?.stringValue ?? "", 100),
                        ]
                    }))
        }
        guard isRunning, jobs.allSatisfy({ $0.value["failures"]?.intValue == 0 }) else { throw ExitCode.failure }
    }

    private static func time(_ value: JSONValue?) -> String {
        value?.stringValue.map { String($0.prefix(19)).replacing("T", with: " ") } ?? "-"
    }
}

/// `maru memory check`.
struct MemoryCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Do conversations, the index of words and the vectors agree?",
        discussion: "Of every memory, or of the one that --project names. Exit code 1 when one does not.")
    @Option(help: "The project; all without it.") var project: String?
    @Flag(help: "Print the answer as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let client = try await Session(given).clients.memory
        let found = try await reachable {
            var found: [String: [String]] = [:]
            let all = try await client.projects().filter { project == nil || $0.project_id == project }
            if let project, all.isEmpty { throw CommandError("There is no project “\(project)”.") }
            for row in all {
                found[row.project_id] =
                    if let error = row.error { ["it cannot be opened: \(error)"] } else { try await client.check(row.project_id) }
            }
            return found
        }
        if json {
            print(String(decoding: try JSONEncoder.sorted.encode(found), as: UTF8.self))
        } else if found.isEmpty {
            print("Nothing was saved yet.")
        } else {
            for (id, problems) in found.sorted(by: { $0.key < $1.key }) {
                print("\(id): \(problems.isEmpty ? "agrees" : problems.joined(separator: "; "))")
            }
        }
        guard found.values.allSatisfy(\.isEmpty) else { throw ExitCode.failure }
    }
}

/// `maru memory cleanup`.
struct MemoryCleanup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "cleanup", abstract: "Remove what is past its time, now.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let count = try await options.asking { try await $0.removeExpired($1) }
        try options.show(["deleted_conversations": count]) { "\(count) conversations were past their time." }
    }
}

/// `maru memory sync`.
struct MemorySync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Bring the vectors in step, now; also what was refused before.")
    @Flag(help: "Throw the vectors away and write all anew, after the vector store lost or mixed up what it held.") var anew = false
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        if anew {
            let stats = try await options.asking { try await $0.sync($1, anew: true) }
            return try options.show(stats) { "\(stats.synced) vectors written, \(stats.failed) refused." }
        }
        let answer = try await options.asking { try await $0.retrySync($1) }
        try options.show(answer) {
            let stats = answer["retry_stats"] ?? .null
            return "\(stats["succeeded"]?.intValue ?? 0) vectors written, \(stats["still_failed"]?.intValue ?? 0) refused."
        }
    }
}

/// `maru memory queue`.
struct MemoryQueue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "queue", abstract: "What the vector store has yet to be told.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let answer = try await options.asking { try await $0.queue($1) }
        try options.show(answer) {
            let rows = answer["queue"]?.arrayValue ?? []
            guard !rows.isEmpty else { return "Everything is written." }
            let table = Table(["CONVERSATION", "ACTION", "STATUS", "TRIES", "NEXT (UTC)", "WHY"]).rows(
                rows.map { row in
                    [
                        "#\(row["conversation_id"]?.intValue ?? 0)", row["action"]?.stringValue ?? "",
                        row["sync_status"]?.stringValue ?? "",
                        "\(row["attempts"]?.intValue ?? 0)", String(row["next_attempt_at"]?.stringValue?.prefix(19) ?? "-"),
                        MemoryText.short(row["last_error"]?.stringValue ?? "", 80),
                    ]
                })
            return "\(table)\n\(answer["queue_size"]?.intValue ?? 0) in all"
        }
    }
}

/// `maru memory optimize`.
struct MemoryOptimize: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "optimize", abstract: "Give room back to the disk.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        try await options.asking { try await $0.optimize($1) }
        try options.show(["success": true]) { "Done." }
    }
}

/// `maru memory rebuild`.
struct MemoryRebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rebuild", abstract: "Make the index of words anew.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        try await options.asking { try await $0.rebuildIndex($1) }
        try options.show(["success": true]) { "The index was made anew." }
    }
}

/// `maru memory digest`.
struct MemoryDigest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "digest", abstract: "Have the chat model look for facts and preferences, and sum up days, now.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let stats = try await options.asking { try await $0.digest($1) }
        try options.show(stats) {
            "\(stats.conversations) conversations looked through: \(stats.facts) new facts, \(stats.preferences) preferences, \(stats.summaries) summaries."
        }
    }
}
