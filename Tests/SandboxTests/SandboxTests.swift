import Foundation
import Logging
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Sandbox

@Suite("The sandbox")
struct SandboxTests {
    private func withSandbox(
        _ flags: [String: String] = [:], _ body: (Sandbox, SandboxLimits, FilePath) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let data = folder.appending("data")
            let settings = try await Settings.load(
                flags: flags.merging(["DATA_DIR": data.string]) { given, _ in given }, environment: ["HOME": folder.string])
            try settings.dataFolders.create()
            let sandbox = Sandbox(settings: settings, logger: Logger(label: "test"))
            try await body(sandbox, SandboxLimits(settings: settings, wallSeconds: 10), folder)
        }
    }

    @Test("Every kind of isolation holds on this machine, and each is named")
    func weakness_03_isolation() async throws {
        try await withSandbox { sandbox, _, _ in
            let findings = await sandbox.check()
            let broken = findings.filter { !$0.holds }
            #expect(broken.isEmpty, "\(broken)")
            #expect(
                Set(findings.map(\.name)).isSuperset(of: [
                    "network", "files", "writing", "processes", "memory", "cpu", "forks", "disk", "proc", "ptrace", "keys", "mounts",
                    "namespaces", "environment", "identity",
                ]))
            #expect(await sandbox.preflight() == .proved)
        }
    }

    @Test("Turned off, it runs nothing and says which setting it is")
    func weakness_02_off() async throws {
        try await withSandbox(["SANDBOX_ENABLED": "false"]) { sandbox, limits, _ in
            let error = await #expect(throws: ServiceError.self) { try await sandbox.run(SandboxRun(["true"], limits: limits)) }
            #expect(error?.code == "sandbox_off" && error?.message.contains("SANDBOX_ENABLED") == true)
            #expect(await sandbox.state == .off)
        }
    }

    @Test("Output, errors, standard input and the exit status come through")
    func plain() async throws {
        try await withSandbox { sandbox, limits, _ in
            let result = try await sandbox.run(
                SandboxRun(["sh", "-c", "cat; echo 에러 >&2; exit 7"], input: Array("안녕".utf8), limits: limits))
            #expect(result.out == "안녕" && result.err == "에러\n" && result.status == 7 && result.limit == nil)
            let missing = try await sandbox.run(SandboxRun(["no-such-program"], limits: limits))
            #expect(missing.status == 127 && missing.err.contains("no-such-program"))
        }
    }

    @Test("A run killed by its limit says which limit, and keeps what was written before")
    func limits() async throws {
        try await withSandbox { sandbox, limits, _ in
            var short = limits
            short.wallSeconds = 1
            let slow = try await sandbox.run(SandboxRun(["sh", "-c", "echo begun; sleep 30"], limits: short))
            #expect(slow.limit == .time && slow.status == 124 && slow.out == "begun\n")
            #expect(slow.limit?.told(short) == "Execution timed out (1s)")
            var narrow = limits
            narrow.output = 2_048
            let loud = try await sandbox.run(SandboxRun(["yes"], limits: narrow))
            #expect(loud.limit == .output && loud.out.utf8.count == 2_048)
            var small = limits
            small.memory = 64 << 20
            let big = try await sandbox.run(SandboxRun(["python3", "-I", "-S", "-c", "b = bytearray(10**9)"], limits: small))
            #expect(big.limit == .memory || big.err.contains("MemoryError"))
        }
    }

    @Test("A folder is seen under its own name, to be read, without what is hidden in it")
    func view() async throws {
        try await withSandbox { sandbox, limits, folder in
            let root = FilePath(try #require(realpath(folder.string, nil).map { String(cString: $0) })).appending("프로젝트")
            for (name, text) in [("a.txt", "open"), (".env", "secret"), ("keys/k.pem", "secret")] {
                let path = root.pushing(FilePath(name))
                try FileManager.default.createDirectory(atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
                try Data(text.utf8).write(to: URL(filePath: path.string))
            }
            let view = WorkspaceView(
                root: root, workingFolder: root.appending("keys"),
                hidden: [.init(root.appending(".env"), isFolder: false), .init(root.appending("keys"), isFolder: true)])
            // A folder that is hidden as a whole is empty, but it is there.
            let script = "pwd; cat ../a.txt; cat ../.env; ls; touch ../new"
            let result = try await sandbox.run(SandboxRun(["sh", "-c", script], limits: limits, view: view))
            #expect(result.out == "\(root)/keys\nopen")
            #expect(!FileManager.default.fileExists(atPath: root.appending("new").string))
        }
    }

    @Test("Whoever is cancelled leaves no process, no group and no file")
    func cancelled() async throws {
        try await withSandbox { sandbox, limits, folder in
            var patient = limits
            patient.wallSeconds = 120
            let run = Task { [patient] in
                try await sandbox.run(SandboxRun(["sh", "-c", "setsid sleep 4711 & sleep 4711"], limits: patient))
            }
            try await eventually { try await Self.sleepers() > 0 }
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.value }
            try await eventually { try await Self.sleepers() == 0 }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.appending("data/run/sandbox").string)
            #expect(left.filter { $0.hasSuffix(".status") }.isEmpty)
        }
    }

    @Test("A sandbox that is closed while it is tried leaves no file, has proved nothing, and says that the service is ending")
    func closed() async throws {
        try await withSandbox { sandbox, limits, folder in
            let proof = Task { await sandbox.preflight() }
            let runs = folder.appending("data/run/sandbox").string
            let status = { ((try? FileManager.default.contentsOfDirectory(atPath: runs)) ?? []).filter { $0.hasSuffix(".status") } }
            try await eventually { !status().isEmpty }
            await sandbox.close()
            #expect(status().isEmpty)
            #expect(await proof.value == .unproved)
            let error = await #expect(throws: ServiceError.self) { try await sandbox.run(SandboxRun(["true"], limits: limits)) }
            #expect(error?.code == "sandbox_unavailable")
        }
    }

    @Test("No more runs at once than the setting says; the others wait")
    func slots() async throws {
        try await withSandbox(["SANDBOX_MAX_CONCURRENT": "1"]) { sandbox, limits, _ in
            let started = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { _ = try await sandbox.run(SandboxRun(["sleep", "0.3"], limits: limits)) } }
                try await group.waitForAll()
            }
            // One after the other they cannot take less than their sleeps together.
            #expect(started.duration(to: .now) >= .seconds(0.9))
        }
    }

    private static func sleepers() async throws -> Int {
        let found = try await BoundedProgram(name: "pgrep", environment: ["PATH": "/usr/bin:/bin"]).run(["-xf", "sleep 4711"], in: "/")
        return found.outText.split(separator: "\n").count
    }

    private func eventually(_ holds: () async throws -> Bool) async throws {
        for _ in 0..<600 where try await !holds() { try await Task.sleep(for: .milliseconds(50)) }
        #expect(try await holds())
    }
}
