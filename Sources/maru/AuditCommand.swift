import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru audit`.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit log: who did what, and whether the log is whole.",
        subcommands: [List.self, Verify.self, Export.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The latest records, newest first.")
        @Option(help: "Of one user.") var user: String?
        @Option(help: "Of one tool.") var tool: String?
        @Option(help: "With one outcome, for example denied.") var status: String?
        @Option(help: "Records at the most.") var limit = 20
        @Flag(help: "Print them as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let entries = try await SecurityStores(given).audit.list(
                AuditFilter(user: user, tool: tool, status: status, limit: max(1, limit)))
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(entries), as: UTF8.self)) }
            let rows = entries.map {
                ["\($0.log_id)", $0.timestamp, $0.user_id, $0.tool_name, $0.action, $0.status, String(($0.error_message ?? "").prefix(80))]
            }
            print(Table(["ID", "WHEN (UTC)", "USER", "TOOL", "ACTION", "STATUS", "WHAT"]).rows(rows))
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Walks the log's chain; says which record was changed, removed or cut off.")
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let verdict = try await SecurityStores(given).audit.verify()
            if let problem = verdict.problem { throw CommandError("The audit log is broken. \(problem)") }
            print("\(verdict.records) records, each chained to the one before it.")
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Writes all records to standard output, oldest first, one JSON object a line.")
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let audit = try await SecurityStores(given).audit
            var last: Int64 = 0
            while true {
                let page = try await audit.page(after: last)
                guard let end = page.last else { return }
                for entry in page { print(String(decoding: try JSONEncoder.sorted.encode(entry), as: UTF8.self)) }
                last = end.log_id
            }
        }
    }
}
