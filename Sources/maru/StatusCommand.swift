import ArgumentParser
import Foundation
import ServiceKit
import Suite
import Supervision

/// `maru status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What runs, since when, and how often it was started again.",
        discussion: "Exit code 0 means that every service is ready.")

    @Flag(help: "Print JSON.") var json = false

    private struct Row: Encodable {
        let service: String
        let state: String
        let pid: Int32?
        let port: Int?
        let restarts: Int
        let seconds: Int
        let reason: String?
    }
    private struct Answer: Encodable {
        let running: Bool
        let pid: Int32?
        let version: String?
        let services: [Row]
    }
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let settings = try await given.load()
        let state = StackControl(settings: settings).state
        let rows = (state?.children ?? []).map { child in
            Row(
                service: child.service.rawValue, state: child.phase.rawValue, pid: child.process?.pid,
                port: ServiceCatalogue[child.service].port.map { settings[$0] }, restarts: child.restarts,
                seconds: Int(Date.now.timeIntervalSince(child.since)), reason: child.reason)
        }
        if json {
            let answer = Answer(running: state != nil, pid: state?.supervisor.pid, version: state?.version, services: rows)
            print(String(decoding: try JSONEncoder.sorted.encode(answer), as: UTF8.self))
        } else if rows.isEmpty {
            print("The stack does not run. Start it with: maru up")
        } else {
            print(
                Table(["SERVICE", "STATE", "PID", "PORT", "UP (s)", "RESTARTS", ""]).rows(
                    rows.map { row in
                        [
                            row.service, row.state, row.pid.map(String.init) ?? "", row.port.map(String.init) ?? "", "\(row.seconds)",
                            "\(row.restarts)", row.reason ?? "",
                        ]
                    }))
        }
        if state == nil || rows.contains(where: { $0.state != "ready" }) { throw ExitCode.failure }
    }
}
