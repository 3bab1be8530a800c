import Foundation
import ServiceKit

/// Tries to break out of the sandbox, and to use more than it gives.
struct IsolationCheck: Sendable {
    let limits: SandboxLimits
    let run: @Sendable (SandboxRun) async throws -> SandboxResult

    /// Everything that was tried, in one order.
    func findings() async -> [IsolationFinding] {
        async let bounds = bounds()
        let inside: [IsolationFinding]
        do { inside = try await probe() } catch { inside = [Self.failed("probe", error)] }
        return await inside + bounds
    }

    /// What the probe reaches from inside.
    private func probe() async throws -> [IsolationFinding] {
        let result = try await Bait.with { bait in
            let command = ["python3", "-I", "-S", "-", bait.file, "\(bait.port)"]
            return try await run(SandboxRun(command, input: PackageResources.isolation_probe_py, limits: limits))
        }
        guard result.status == 0, let reached = try? JSONDecoder().decode([String: [String]].self, from: Data(result.out.utf8)) else {
            return [
                IsolationFinding(
                    "probe", holds: false, "the probe did not come to its end (is python3 installed?): \(result.err.suffix(300))")
            ]
        }
        return reached.sorted { $0.key < $1.key }.map { kind, found in
            IsolationFinding(
                kind, holds: found.isEmpty, found.isEmpty ? "nothing was reached" : "reached: \(found.joined(separator: ", "))")
        }
    }

    /// Whether each bound ends what passes it.
    private func bounds() async -> [IsolationFinding] {
        var small = limits
        (small.memory, small.cpuSeconds, small.processes) = (min(limits.memory, 128 << 20), 1, 16)
        (small.wallSeconds, small.output, small.fileSize) = (10, 65_536, 1 << 20)
        // Each takes a second or two, most of it waiting.
        return await withTaskGroup(of: (Int, IsolationFinding).self) { [small] group in
            for (index, bound) in Bound.all.enumerated() { group.addTask { (index, await finding(of: bound, small)) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func finding(of bound: Bound, _ limits: SandboxLimits) async -> IsolationFinding {
        var limits = limits
        if bound.name == "time" { limits.wallSeconds = 1 }
        do {
            let result = try await run(SandboxRun(["python3", "-I", "-S", "-c", bound.program], limits: limits))
            let text = result.out.trimmingCharacters(in: .whitespacesAndNewlines)
            let seen = result.limit.map { "ended by its limit of \($0.rawValue)" } ?? "exit \(result.status) \(text.suffix(100))"
            return IsolationFinding(bound.name, holds: bound.holds(result, limits), "\(bound.attempt): \(seen)")
        } catch {
            return Self.failed(bound.name, error)
        }
    }

    /// What could not be tried does not hold.
    private static func failed(_ name: String, _ error: any Error) -> IsolationFinding {
        IsolationFinding(name, holds: false, (error as? ServiceError)?.message ?? "\(error)")
    }
}

/// Something of which a run may have so much.
private struct Bound: Sendable {
    let name: String
    let attempt: String
    let program: String
    let holds: @Sendable (SandboxResult, SandboxLimits) -> Bool

    static let all = [
        Bound(
            name: "memory", attempt: "four processes fill it",
            program: """
                import os, time
                for _ in range(3):
                    if os.fork() == 0: break
                held = []
                try:
                    for _ in range(256): held.append(bytearray(os.urandom(1 << 20)))
                    print("held", flush=True); time.sleep(2)
                except MemoryError: os._exit(7)
                """, holds: { result, _ in result.limit == .memory || result.status == 7 }),
        Bound(name: "cpu", attempt: "a loop without end", program: "while True: pass", holds: { result, _ in result.limit == .cpu }),
        Bound(
            name: "time", attempt: "sleep, with a child that leaves the session",
            program: "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(60)", holds: { result, _ in result.limit == .time }),
        Bound(
            name: "forks", attempt: "processes that make processes",
            program: """
                import os, time
                count = 0
                try:
                    while count < 400:
                        if os.fork() == 0: time.sleep(3); os._exit(0)
                        count += 1
                except OSError: pass
                print(count)
                """,
            holds: { result, limits in (Int(result.out.trimmingCharacters(in: .whitespacesAndNewlines)) ?? .max) <= limits.processes }),
        Bound(
            name: "disk", attempt: "files until nothing more goes",
            program: """
                total = 0
                try:
                    for folder in ("/tmp", "/dev/shm"):
                        try:
                            for n in range(1000):
                                with open(f"{folder}/{n}", "wb") as f:
                                    total += f.write(b"x" * 1000000)
                        except OSError: pass
                finally: print(total)
                """,
            holds: { result, limits in
                result.limit == .memory
                    || (Int(result.out.trimmingCharacters(in: .whitespacesAndNewlines)) ?? .max) <= 2 * limits.scratch + 2_000_000
            }),
        Bound(
            name: "file_size", attempt: "one endless file",
            program: """
                import signal
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                with open("/tmp/x", "wb") as f:
                    while True: f.write(b"x" * 65536)
                """, holds: { result, _ in result.limit == .fileSize }),
        Bound(
            name: "output", attempt: "endless output", program: "while True: print('x' * 4096)",
            holds: { result, limits in result.limit == .output && result.out.utf8.count <= limits.output }),
    ]
}
