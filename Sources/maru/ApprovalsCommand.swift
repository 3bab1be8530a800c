import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru approvals`.
struct ApprovalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approvals", abstract: "See and decide calls of tools that wait for approval.",
        discussion: "An id may be given by its first eight or more characters.",
        subcommands: [List.self, Show.self, Approve.self, Reject.self, Watch.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List requests, the newest first; those that wait without --status.")

        @Option(help: "pending, approved, rejected, timeout, expired, cancelled, used, or all.") var status = "pending"
        @Option(help: "Requests of one user.") var user: String?
        @Option(help: "Requests for one tool.") var tool: String?
        @Option(help: "Requests at the most.") var limit = 50
        @Flag(help: "Print the answer as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let page = try await calling(given) {
                try await $0.list(status: status == "all" ? nil : status, user: user, tool: tool, limit: limit)
            }
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(page), as: UTF8.self)) }
            guard !page.approvals.isEmpty else { return print(status == "pending" ? "Nothing waits for approval." : "There are none.") }
            print(
                Table(["ID", "TOOL", "USER", "STATUS", "REQUESTED (UTC)", "EXPIRES IN"]).rows(
                    page.approvals.map { row in
                        [
                            String(row.request_id.prefix(8)), VisibleText.line(row.tool_name), VisibleText.line(row.user_id), row.status,
                            row.requested_at, row.seconds_until_expiry > 0 ? "\(row.seconds_until_expiry) s" : "-",
                        ]
                    }))
            if page.total > page.approvals.count { print("… \(page.total) in all; see more with --limit.") }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a request in full: its arguments, and what the call would do.")

        @Argument(help: "The request.") var id: String
        @Flag(help: "Print the answer as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let row = try await calling(given) { try await $0.show(id) }
            print(json ? String(decoding: try JSONEncoder.sorted.encode(row), as: UTF8.self) : ApprovalText(row).text)
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Approve a request; its call can then be made once.")

        @Argument(help: "The request.") var id: String
        @Option(help: "Why; stands in the log.") var reason: String?
        @OptionGroup var given: SettingFlags

        func run() async throws { try await decide(given, id, approve: true, reason) }
    }

    struct Reject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Reject a request.")

        @Argument(help: "The request.") var id: String
        @Option(help: "Why; the one who asked reads it.") var reason: String?
        @OptionGroup var given: SettingFlags

        func run() async throws { try await decide(given, id, approve: false, reason) }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show requests as they come; Ctrl-C ends.")

        @OptionGroup var given: SettingFlags

        func run() async throws {
            var shown: Set<String> = []
            while true {
                let page = try await calling(given) { try await $0.list(status: "pending", limit: 1_000) }
                for row in page.approvals.reversed() where !shown.contains(row.request_id) {
                    // Lists leave out what is long, and an approver has to see all of it.
                    let full = try await calling(given) { try await $0.show(row.request_id) }
                    print(ApprovalText(full).text + "\n")
                }
                shown = Set(page.approvals.map(\.request_id))
                // Who follows through a pipe wants each request when it comes.
                fflush(nil)
                try await Task.sleep(for: .seconds(1))
            }
        }
    }
}

private func decide(_ given: SettingFlags, _ id: String, approve: Bool, _ reason: String?) async throws {
    let decided = try await calling(given) { try await $0.decide(id, approve: approve, reason: reason) }
    print("\(decided.status): \(decided.request_id)")
}

private func calling<Value>(_ given: SettingFlags, _ call: (ApprovalClient) async throws -> Value) async throws -> Value {
    do {
        return try await reachable { try await call(try await Session(given).clients.approvals) }
    } catch let error as UpstreamError {
        throw CommandError(VisibleText.line(error.message))
    }
}
