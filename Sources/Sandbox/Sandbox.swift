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

        var isRefused: Bool { if case .refused = self { true } else { false } }

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
    private var proving: Task<Void, Never>?
    private var judged: ContinuousClock.Instant?
    private var isClosed = false
    public private(set) var state: State

    public init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        slots = Slots(limit: settings[SettingKeys.sandboxConcurrent])
        state = settings[SettingKeys.sandboxEnabled] ? .unproved : .off
    }

    /// Tries whether the sandbox holds, once; again after a minute where it did not. Whoever asks meanwhile waits for the same answer.
    @discardableResult
    public func preflight() async -> State {
        guard !isClosed else { return state }
        // What did not hold may have been a moment's trouble, or may have been mended.
        let isStale = judged.map { $0.duration(to: .now) > .seconds(60) } ?? true
        guard state == .unproved || (state.isRefused && isStale) else { return state }
        let task = proving ?? Task { _ = await check() }
        proving = task
        await task.value
        proving = nil
        return state
    }

    /// Breaks off what is being tried, and waits until nothing of it runs. What this process has just started would outlive it otherwise:
    /// for a moment with a copy of its sockets, and without an end to its time where bubblewrap has not yet asked to die with its parent.
    public func close() async {
        isClosed = true
        proving?.cancel()
        await proving?.value
    }

    /// Runs a program once the sandbox is known to hold. When all places are taken it waits for one, half a minute at the most.
    ///
    /// - Throws: 503 when the sandbox is off, does not hold, or has no place; `CancellationError` when it is cancelled, everything of the
    ///   run being dead.
    public func run(_ run: SandboxRun) async throws -> SandboxResult { try await self.run { run } }

    /// The same of a run that is made once there is a place for it: what it sees is looked through when it starts.
    public func run(_ make: @Sendable () async throws -> SandboxRun) async throws -> SandboxResult {
        let state = await preflight()
        guard state == .proved else { throw Self.refusal(state) }
        do {
            return try await slots.withSlot(within: .seconds(30)) { try await execute(try await make()) }
        } catch let error as DeadlineExceeded {
            throw ServiceError.unavailable(
                "All places of the sandbox are taken, and none became free within \(error.limit.seconds.formatted()) s (SANDBOX_MAX_CONCURRENT).",
                code: "sandbox_busy")
        }
    }

    private static func refusal(_ state: State) -> ServiceError {
        let (code, message) =
            switch state {
            case .off: ("sandbox_off", "The sandbox is turned off (SANDBOX_ENABLED), and code is run nowhere else.")
            case .unproved, .proved: ("sandbox_unavailable", "The service is ending, and starts no program any more.")
            case .refused(let reason):
                (
                    "sandbox_unavailable",
                    "The sandbox of this machine does not hold, so code is not run: \(reason). See `maru sandbox check`."
                )
            }
        return .unavailable(message, code: code, retryAfter: .seconds(60))
    }

    /// Tries every kind of isolation, and says of each whether it holds. From then on runs are let in or refused by that.
    public func check() async -> [IsolationFinding] {
        let limits = SandboxLimits(settings: settings, wallSeconds: 10)
        let findings = await IsolationCheck(limits: limits, run: { try await self.execute($0) }).findings()
        // What was broken off has shown nothing.
        guard state != .off, !Task.isCancelled else { return findings }
        let failed = findings.filter { !$0.holds }.map { "\($0.name): \($0.detail)" }.joined(separator: "; ")
        let found: State = failed.isEmpty ? .proved : .refused(failed)
        if found.isRefused {
            logger.error("the sandbox does not hold; code is not run", metadata: ["reason": "\(failed)"])
        } else if state != .proved {
            logger.info("the sandbox holds")
        }
        (state, judged) = (found, .now)
        return findings
    }

    /// How the memory of a run is bounded, in words.
    public func memoryBound() async -> String {
        guard let equipment = try? await equipment() else { return "by nothing: there is no sandbox here" }
        return equipment.groups == nil ? "by a watch, ten times a second" : "by a control group"
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
            // Beside the program there are bubblewrap outside, and bubblewrap as the sandbox's first process.
            try equipment.groups?.make(memory: run.limits.memory, processes: run.limits.processes + 2)
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
