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

    /// Makes ready for a start: folders made, leftovers of a crash ended, ports free.
    ///
    /// - Throws: ``SupervisionError`` naming each port that something else holds. Nothing was started then.
    public func prepare(_ services: [ServiceDescriptor]) async throws {
        try folders.create()
        await endLeftovers()
        var taken: [String] = []
        for service in services {
            guard let port = service.port.map({ settings[$0] }), !(await PortHolder.isFree(port, host: settings[SettingKeys.host])) else {
                continue
            }
            let holder = await PortHolder.name(of: port) ?? "another program"
            taken.append("port \(port), which \(service.id) needs, is in use by \(holder)")
        }
        guard taken.isEmpty else {
            let names = services.compactMap { $0.port?.name }.joined(separator: ", ")
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
    /// - Throws: ``SupervisionError`` when it does not come up.
    public func launch(_ services: [ServiceDescriptor], program: FilePath) async throws {
        let log = folders.logs.appending("supervisor.log").string
        guard
            FileManager.default.fileExists(atPath: log)
                || FileManager.default.createFile(atPath: log, contents: nil, attributes: [.posixPermissions: 0o600]),
            let output = FileHandle(forWritingAtPath: log)
        else { throw SupervisionError("\(log) cannot be written.") }
        try output.seekToEnd()
        let process = Process()
        process.executableURL = URL(filePath: program.string)
        process.arguments = ["supervise", "--only", services.map(\.id.rawValue).joined(separator: ",")]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
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
    /// - Parameter progress: told of the state at every change and at least once a second.
    /// - Throws: ``SupervisionError`` naming what is not ready when the longest start time-out has passed.
    public func waitUntilReady(_ progress: (SupervisorState) -> Void) async throws {
        let limit = ServiceCatalogue.runnable.map(\.startTimeout).max() ?? .seconds(60)
        let deadline = ContinuousClock.now.advanced(by: limit)
        while true {
            guard let state else { throw SupervisionError("The supervisor ended; see \(folders.logs)/supervisor.log.") }
            progress(state)
            let unready = state.children.filter { $0.phase != .ready }
            if unready.isEmpty { return }
            // A service that keeps falling over will not become ready by waiting.
            let failed = unready.filter { $0.restarts >= 4 }
            guard failed.isEmpty, ContinuousClock.now < deadline else {
                let lines = (failed.isEmpty ? unready : failed).map { "\($0.service): \($0.reason ?? $0.phase.rawValue)" }
                throw SupervisionError("Not ready:\n" + lines.joined(separator: "\n") + "\nSee: maru logs")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Stops everything and proves that no process is left.
    ///
    /// - Returns: whether anything ran.
    /// - Throws: ``SupervisionError`` naming processes that would not end.
    public func stop() async throws -> Bool {
        let running = state
        let grace = ServiceCatalogue.runnable.map(\.gracePeriod).max() ?? .seconds(10)
        if let running { await running.supervisor.end(within: grace + .seconds(10)) }
        let leftovers = await endLeftovers()
        let alive = (running?.children.compactMap(\.process) ?? []).filter(\.isAlive)
        guard alive.isEmpty else { throw SupervisionError("Still running: " + alive.map { "pid \($0.pid)" }.joined(separator: ", ")) }
        return running != nil || leftovers > 0
    }

    /// Ends services; the supervisor starts them again.
    ///
    /// - Throws: ``SupervisionError`` when the stack or one of them does not run.
    public func restart(_ ids: [ServiceID]) async throws {
        guard let state else { throw SupervisionError("The stack does not run. Start it with: maru up") }
        for id in ids {
            guard let process = state.children.first(where: { $0.service == id })?.process else {
                throw SupervisionError("\(id) does not run.")
            }
            await process.end(within: ServiceCatalogue[id].gracePeriod)
        }
    }
}
