import Foundation
import ServiceKit
import Suite
import SystemPackage

/// Starts and stops a stack from a command.
public struct StackControl: Sendable {
    private let settings: Settings
    private var folders: DataFolders { settings.dataFolders }

    public init(settings: Settings) { self.settings = settings }

    /// What runs now.
    public var state: SupervisorState? { SupervisorState.current(folders) }

    /// The right to start a stack, given back when it is dropped.
    public struct Start: Sendable { fileprivate let lock: FileLock }

    /// What there is to do for a command that wants a stack to run.
    public enum Claim: Sendable {
        case runs(SupervisorState)
        case mayStart(Start)
    }

    /// Finds the stack that runs, or takes the right to start one: of several commands at once one starts it, and the others find it.
    ///
    /// - Throws: ``SupervisionError`` when another command or supervisor is at work that tells of no state.
    public func claim() async throws -> Claim {
        try makeFolders()
        let deadline = ContinuousClock.now.advanced(by: .seconds(30))
        while ContinuousClock.now < deadline {
            if let state { return .runs(state) }
            // A supervisor that tells nothing yet is coming up or going down.
            if let lock = try FileLock.start(folders.run), try FileLock.supervisor(folders.run) != nil {
                if let state { return .runs(state) }
                return .mayStart(Start(lock: lock))
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw SupervisionError("Another supervisor or `maru up` is at work in \(folders.root) and tells nothing. Stop it with: maru down")
    }

    private func makeFolders() throws {
        do {
            try folders.create()
        } catch {
            throw SupervisionError("\(folders.root) cannot be made ready: \(error.localizedDescription)")
        }
    }

    /// Makes ready for a start: folders made, leftovers of a crash ended, ports free.
    ///
    /// - Throws: ``SupervisionError`` naming each port that something else holds. Nothing was started then.
    public func prepare(_ services: [ServiceDescriptor]) async throws {
        try makeFolders()
        await endLeftovers()
        var taken: [String] = []
        for service in services {
            for port in service.ports.map({ settings[$0] }) where !(await PortHolder.isFree(port, host: settings[SettingKeys.host])) {
                let holder = await PortHolder.name(of: port) ?? "another program"
                taken.append("port \(port), which \(service.id) needs, is in use by \(holder)")
            }
        }
        guard taken.isEmpty else {
            let names = services.flatMap { $0.ports.map(\.name) }.joined(separator: ", ")
            throw SupervisionError(
                taken.joined(separator: "\n") + "\nNothing was started. Stop what holds it, or set another port (\(names)).")
        }
    }

    /// Ends what a supervisor that was killed left behind.
    ///
    /// - Returns: how many processes were ended.
    @discardableResult
    public func endLeftovers() async -> Int {
        var ended = 0
        for record in ProcessRecord.all(in: folders.run) where await record.endLeftover() { ended += 1 }
        try? FileManager.default.removeItem(atPath: SupervisorState.file(folders).string)
        return ended
    }

    /// Starts a supervisor in a session of its own, so that it outlives this command and its terminal.
    ///
    /// It is handed its settings in its environment: a command line can be read by every user of the machine, for as long as it runs.
    ///
    /// - Throws: ``SupervisionError`` when it does not come up.
    public func launch(_ services: [ServiceDescriptor], program: FilePath) async throws {
        let log = folders.logs.appending("supervisor.log")
        let process = try SessionProcess(
            program, arguments: ["supervise", "--only", services.map(\.id.rawValue).joined(separator: ",")],
            environment: ProcessInfo.processInfo.environment.merging(settings.asEnvironment) { _, own in own }, output: log)
        let deadline = ContinuousClock.now.advanced(by: .seconds(15))
        while state == nil {
            guard process.isRunning, ContinuousClock.now < deadline else {
                throw SupervisionError("The supervisor did not come up; see \(log).")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Waits until every service is ready.
    ///
    /// - Parameters:
    ///   - replaced: processes that are on their way out, and whose readiness counts no more.
    ///   - progress: told of the state again and again.
    /// - Throws: ``SupervisionError`` naming what is not ready when its time has passed, or keeps falling over.
    public func waitUntilReady(replacing replaced: [ProcessIdentity] = [], _ progress: (SupervisorState) -> Void) async throws {
        let start = ContinuousClock.now
        while true {
            guard let state else { throw SupervisionError("The supervisor ended; see \(folders.logs)/supervisor.log.") }
            progress(state)
            let unready = state.children.filter { child in child.phase != .ready || child.process.map(replaced.contains) ?? true }
            if unready.isEmpty { return }
            let elapsed = start.duration(to: .now)
            // One that keeps falling over will not become ready by waiting.
            let lost = unready.filter { $0.failures >= 4 || elapsed > ServiceCatalogue.readyTimeout(of: ServiceCatalogue[$0.service]) }
            guard lost.isEmpty else {
                let lines = lost.map { "\($0.service): \($0.reason ?? $0.phase.rawValue)" }
                throw SupervisionError("Not ready:\n" + lines.joined(separator: "\n") + "\nSee: maru logs")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Stops everything and proves that no process is left.
    ///
    /// - Returns: whether anything ran.
    /// - Throws: ``SupervisionError`` naming processes that would not end.
    public func stop() async throws -> Bool {
        let running = state
        // The supervisor stops them wave by wave, each with its grace period, and then looks for leftovers.
        let waves = ServiceCatalogue.stopWaves(ServiceCatalogue.all)
        let grace = waves.reduce(Duration.seconds(10)) { sum, wave in
            sum + (wave.map { ServiceCatalogue[$0].gracePeriod }.max() ?? .zero)
        }
        // First of all, also when it cannot be asked what it runs: it would start again what we end.
        let supervisor = running?.supervisor ?? ProcessRecord.supervisor(folders).identity
        await supervisor?.end(within: grace)
        let leftovers = await endLeftovers()
        let alive = (running?.children.compactMap(\.process) ?? []).filter(\.isAlive)
        guard alive.isEmpty else { throw SupervisionError("Still running: " + alive.map { "pid \($0.pid)" }.joined(separator: ", ")) }
        return supervisor != nil || leftovers > 0
    }

    /// Ends services; the supervisor starts them again.
    ///
    /// - Returns: the processes that were ended.
    /// - Throws: ``SupervisionError`` when the stack or one of them does not run.
    public func restart(_ ids: [ServiceID]) async throws -> [ProcessIdentity] {
        guard let state else { throw SupervisionError("The stack does not run. Start it with: maru up") }
        let processes = try ids.map { id in
            guard let process = state.children.first(where: { $0.service == id })?.process else {
                throw SupervisionError("\(id) does not run.")
            }
            return (process, ServiceCatalogue[id].gracePeriod)
        }
        for (process, grace) in processes { await process.end(within: grace) }
        return processes.map(\.0)
    }
}
