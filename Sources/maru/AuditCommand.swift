import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru audit`.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit log: who did what, and whether the log is whole.",
        subcommands: [List.self, Verify.self, Export.self, Anchor.self])

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
            commandName: "export", abstract: "Writes all records to standard output, oldest first.")
        @Option(help: "jsonl: one JSON object a line; csv: with a header, no cell a formula to a spreadsheet.")
        var format = AuditFormat.jsonl
        @OptionGroup var given: SettingFlags

        func run() async throws {
            try await SecurityStores(given).audit.export(format) { try FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) }
        }
    }

    struct Anchor: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "anchor", abstract: "Makes the log's anchor anew where it is lost, and records who did so.",
            discussion: """
                DATA_DIR/secrets/audit.anchor remembers how far the log had come; without it nobody can tell whether the end was cut off. Do this once \
                you know why it is gone, for example after a restore that left it out. What was cut off before stays unknown.
                """)
        @OptionGroup var given: SettingFlags

        func run() async throws {
            do {
                try await SecurityStores(given).audit.anchorAnew(by: "cli:\(NSUserName())")
            } catch let error as ServiceError {
                throw CommandError(error.message)
            }
        }
    }
}

extension AuditFormat: ExpressibleByArgument {}
