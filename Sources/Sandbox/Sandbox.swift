import Foundation
import Logging
import Metrics
import ServiceKit
import Suite
import SystemPackage

/// Runs programs that nobody vouches for: under bubblewrap, in namespaces of their own, without network, with a system that can only be
/// read, system calls filtered, everything bounded.
///
/// It runs nothing until it has shown, by trying to break out, that it holds (``preflight()``). Where it does not, it refuses; there is
/// no other way to run a program.
public actor Sandbox {
    /// What is known of the sandbox of this machine.
    public enum State: Sendable, Equatable, CustomStringConvertible {
        /// The settings turn it off.
        case off
        case unproved
        /// Everything that was tried failed.
        case proved
        case refused(String)

        public var description: String {
            switch self {
            case .off: "off"
            case .unproved: "being tried"
            case .proved: "proved"
            case .refused(let reason): "refused: \(reason)"
            }
        }
    }

    private let settings: Settings
    private let logger: Logger
    private let slots: Slots
    private var equipping: Task<Equipment, any Error>?
    private var proving: Task<State, Never>?
    public private(set) var state: State

    public init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        slots = Slots(limit: settings[SettingKeys.sandboxConcurrent])
        state = settings[SettingKeys.sandboxEnabled] ? .unproved : .off
    }

    /// Tries once whether the sandbox holds; whoever asks meanwhile waits for the same answer.
    @discardableResult
    public func preflight() async -> State {
        guard state == .unproved else { return state }
        let task =
            proving
            ?? Task {
                let failed = await check().filter { !$0.holds }
                return failed.isEmpty ? .proved : .refused(failed.map { "\($0.name): \($0.detail)" }.joined(separator: "; "))
            }
        proving = task
        let found = await task.value
        if state == .unproved {
            state = found
            switch found {
            case .refused(let reason): logger.error("the sandbox does not hold; code is not run", metadata: ["reason": "\(reason)"])
            default: logger.info("the sandbox holds")
            }
        }
        return state
    }

    /// Runs a program once the sandbox is known to hold. When all places are taken it waits for one.
    ///
    /// - Throws: 503 when the sandbox is off or does not hold; `CancellationError` when it is cancelled, everything of the run being dead.
    public func run(_ run: SandboxRun) async throws -> SandboxResult {
        let state = await preflight()
        guard state == .proved else { throw Self.refusal(state) }
        return try await slots.withSlot { try await execute(run) }
    }

    private static func refusal(_ state: State) -> ServiceError {
        guard case .refused(let reason) = state else {
            return .unavailable(
                "The sandbox is turned off (SANDBOX_ENABLED), and code is run nowhere else.", code: "sandbox_off", retryAfter: .seconds(60))
        }
        return .unavailable(
            "The sandbox of this machine does not hold, so code is not run: \(reason). See `maru sandbox check`.",
            code: "sandbox_unavailable", retryAfter: .seconds(60))
    }

    /// Tries every kind of isolation, and says of each whether it holds.
    public func check() async -> [IsolationFinding] {
        await IsolationCheck(limits: SandboxLimits(settings: settings, wallSeconds: 10), run: { try await self.execute($0) }).findings()
    }

    /// How the memory of a run is bounded, in words.
    public func memoryBound() async -> String {
        (try? await equipment())?.groups == nil ? "by a watch, ten times a second" : "by a control group"
    }

    private func equipment() async throws -> Equipment {
        let folder = settings.dataFolders.run.appending("sandbox")
        let task = equipping ?? Task { try await offPool { try Equipment(folder: folder) } }
        equipping = task
        do {
            return try await task.value
        } catch {
            equipping = nil
            throw error
        }
    }

    private func execute(_ run: SandboxRun) async throws -> SandboxResult {
        let started = ContinuousClock.now
        let equipment = try await equipment()
        let (status, user) = equipment.next()
        if user != nil, let view = run.view { try await offPool { try view.checkIsOpen() } }
        let group = try await offPool {
            // Beside the program there are bubblewrap outside, bubblewrap as the sandbox's first process, and the shell before it.
            try equipment.groups?.make(memory: run.limits.memory, processes: run.limits.processes + 3)
        }
        let launch = Launch(filter: equipment.filter, status: status, group: group, user: user, run: run)
        let outcome = await Self.outcome(of: launch)
        // Also when the run was cancelled: what it left is removed before anybody goes on.
        let traces = await Task.detached { try? await offPool { Traces(launch) } }.value
        let result = try Self.result(try outcome.get(), traces ?? Traces(), run.limits, after: started.duration(to: .now))
        Timer(label: "sandbox_run_duration_seconds").recordNanoseconds(result.duration.nanoseconds)
        Counter(label: "sandbox_runs_total", dimensions: [("limit", result.limit?.rawValue ?? "none")]).increment()
        return result
    }

    private static func outcome(of launch: Launch) async -> Result<BoundedProgram.Output, any Error> {
        let limits = launch.run.limits
        let program = BoundedProgram(
            name: "/bin/sh", environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C.UTF-8"],
            outputLimit: limits.output, errorLimit: limits.output, timeLimit: .seconds(limits.wallSeconds))
        let watch: @Sendable (BoundedProgram.Running) async -> Void = { running in
            if await MemoryWatch(limit: limits.memory).isPassed(by: running.pid) { running.stop() }
        }
        do {
            return .success(
                try await program.runToEnd(launch.arguments, in: "/", input: launch.run.input, watch: launch.group == nil ? watch : nil))
        } catch {
            return .failure(error)
        }
    }

    /// - Throws: 503 when the sandbox could not be built.
    private static func result(
        _ output: BoundedProgram.Output, _ traces: Traces, _ limits: SandboxLimits, after duration: Duration
    ) throws -> SandboxResult {
        let status: Int
        var limit: SandboxResult.Limit?
        switch output.ending {
        case .outOfTime: (status, limit) = (124, .time)
        case .tooMuchOutput: (status, limit) = (137, .output)
        case .stopped: (status, limit) = (137, .memory)
        case .exited:
            if let code = traces.exitCode {
                status = code
                limit = traces.limit(status: code, limits, after: duration)
            } else if traces.memoryKills > 0 {
                (status, limit) = (137, .memory)
            } else {
                throw ServiceError.unavailable(
                    "The sandbox could not be built: \(output.errText.prefix(500))", code: "sandbox_unavailable", retryAfter: .seconds(60))
            }
        }
        return SandboxResult(out: output.outText, err: output.errText, status: status, limit: limit, duration: duration)
    }
}
