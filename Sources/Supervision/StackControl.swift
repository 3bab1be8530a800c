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
        do {
            try folders.create()
        } catch {
            throw SupervisionError("\(folders.root) cannot be made ready: \(error.localizedDescription)")
        }
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
    /// - Parameter arguments: flags for the supervisor besides those that name the services.
    /// - Throws: ``SupervisionError`` when it does not come up.
    public func launch(_ services: [ServiceDescriptor], program: FilePath, arguments: [String]) async throws {
        let log = folders.logs.appending("supervisor.log").string
        guard
            FileManager.default.fileExists(atPath: log)
                || FileManager.default.createFile(atPath: log, contents: nil, attributes: [.posixPermissions: 0o600]),
            let output = FileHandle(forWritingAtPath: log)
        else { throw SupervisionError("\(log) cannot be written.") }
        try output.seekToEnd()
        let process = Process()
        process.executableURL = URL(filePath: program.string)
        process.arguments = ["supervise", "--only", services.map(\.id.rawValue).joined(separator: ",")] + arguments
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
        let waves = ServiceCatalogue.stopWaves(ServiceCatalogue.runnable)
        let grace = waves.reduce(Duration.seconds(10)) { sum, wave in
            sum + (wave.map { ServiceCatalogue[$0].gracePeriod }.max() ?? .zero)
        }
        await running?.supervisor.end(within: grace)
        let leftovers = await endLeftovers()
        let alive = (running?.children.compactMap(\.process) ?? []).filter(\.isAlive)
        guard alive.isEmpty else { throw SupervisionError("Still running: " + alive.map { "pid \($0.pid)" }.joined(separator: ", ")) }
        return running != nil || leftovers > 0
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
