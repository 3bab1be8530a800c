import ArgumentParser
import Foundation
import Logging
import Sandbox
import ServiceKit
import Suite
import SystemPackage

/// `maru sandbox`.
struct SandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox", abstract: "What runs untrusted code, and whether it holds.",
        subcommands: [Check.self, Run.self, Measure.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Tries to break out of the sandbox and to use more than it gives; fails if something succeeds.")
        @Flag(help: "Print it as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let sandbox = try await given.sandbox()
            let findings = await sandbox.check()
            if json {
                print(String(decoding: try JSONEncoder.sorted.encode(findings), as: UTF8.self))
            } else {
                print(Table(["", "WHAT", "RESULT"]).rows(findings.map { [$0.holds ? "holds" : "BROKEN", $0.name, $0.detail] }))
                print("Memory is bounded \(await sandbox.memoryBound()).")
            }
            guard findings.allSatisfy(\.holds) else { throw ExitCode.failure }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Runs a program in the sandbox, without the workspace, and ends as it ends.",
            usage: "maru sandbox run [--timeout SECONDS] -- PROGRAM ARGUMENT…")
        @Option(help: "Seconds it may take.") var timeout = 30
        @OptionGroup var given: SettingFlags
        @Argument(parsing: .postTerminator, help: "The program and its arguments, after --.") var command: [String] = []

        func run() async throws {
            guard !command.isEmpty else { throw ValidationError("Name a program after --, for example: maru sandbox run -- id") }
            let settings = try await given.load()
            let limits = SandboxLimits(settings: settings, wallSeconds: max(1, timeout))
            let result = try await given.sandbox().run(SandboxRun(command, limits: limits))
            try FileHandle.standardOutput.write(contentsOf: Data(result.out.utf8))
            try FileHandle.standardError.write(contentsOf: Data((result.err + (result.limit.map { $0.told(limits) + "\n" } ?? "")).utf8))
            if result.status != 0 { throw ExitCode(Int32(result.status)) }
        }
    }

    struct Measure: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "measure", abstract: "How long a run takes, beside the same program without a sandbox. The last line is JSON.")
        @Option(help: "Runs of each.") var runs = 50
        @Flag(help: "Only those in the sandbox.") var onlySandbox = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let settings = try await given.load()
            let sandbox = try await given.sandbox()
            guard await sandbox.preflight() == .proved else { throw CommandError("The sandbox does not hold; see: maru sandbox check") }
            let command = ["python3", "-I", "-S", "-c", "print(1)"]
            // The same program as in there.
            let bare = BoundedProgram(name: "python3", environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"])
            let limits = SandboxLimits(settings: settings, wallSeconds: 30)
            var (inside, outside): ([Double], [Double]) = ([], [])
            for _ in 0..<max(1, runs) {
                inside.append(try await Self.milliseconds { _ = try await sandbox.run(SandboxRun(command, limits: limits)) })
                if onlySandbox { continue }
                outside.append(try await Self.milliseconds { _ = try await bare.run(Array(command.dropFirst()), in: "/") })
            }
            var figures: [String: JSONValue] = ["runs": .integer(Int64(inside.count))]
            var rows: [[String]] = []
            for (name, label, times) in [("sandbox", "in the sandbox", inside), ("bare", "without", outside)] where !times.isEmpty {
                let (p50, p95) = (times.sorted()[times.count / 2], times.sorted()[times.count * 95 / 100])
                rows.append([label, Self.told(p50), Self.told(p95)])
                figures["\(name)_p50_ms"] = .number(p50)
                figures["\(name)_p95_ms"] = .number(p95)
            }
            print(Table(["A RUN OF PYTHON", "P50 MS", "P95 MS"]).rows(rows))
            print(String(decoding: try JSONEncoder.sorted.encode(JSONValue.object(figures)), as: UTF8.self))
        }

        private static func milliseconds(_ work: () async throws -> Void) async throws -> Double {
            let started = ContinuousClock.now
            try await work()
            return started.duration(to: .now).seconds * 1_000
        }

        private static func told(_ milliseconds: Double) -> String { milliseconds.formatted(.number.precision(.fractionLength(1))) }
    }
}

extension SettingFlags {
    fileprivate func sandbox() async throws -> Sandbox {
        let settings = try await load()
        try settings.dataFolders.create()
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        return Sandbox(settings: settings, logger: logger)
    }
}
