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
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let settings = try await given.load()
            let sandbox = try await given.sandbox()
            guard await sandbox.preflight() == .proved else { throw CommandError("The sandbox does not hold; see: maru sandbox check") }
            let command = ["python3", "-I", "-S", "-c", "print(1)"]
            let bare = BoundedProgram(name: "python3", environment: ProcessInfo.processInfo.environment)
            let limits = SandboxLimits(settings: settings, wallSeconds: 30)
            var (inside, outside): ([Double], [Double]) = ([], [])
            for _ in 0..<max(1, runs) {
                inside.append(try await Self.milliseconds { _ = try await sandbox.run(SandboxRun(command, limits: limits)) })
                outside.append(try await Self.milliseconds { _ = try await bare.run(Array(command.dropFirst()), in: "/") })
            }
            let (a, b) = (inside.sorted(), outside.sorted())
            let rows = [("in the sandbox", a), ("without", b)].map { name, times in
                [name, Self.told(times[times.count / 2]), Self.told(times[times.count * 95 / 100])]
            }
            print(Table(["A RUN OF PYTHON", "P50 MS", "P95 MS"]).rows(rows))
            let figures: JSONValue = [
                "runs": .integer(Int64(a.count)), "sandbox_p50_ms": .number(a[a.count / 2]), "bare_p50_ms": .number(b[b.count / 2]),
                "added_p50_ms": .number(a[a.count / 2] - b[b.count / 2]),
            ]
            print(String(decoding: try JSONEncoder.sorted.encode(figures), as: UTF8.self))
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
        return Sandbox(settings: settings, logger: Logger(label: "sandbox"))
    }
}
