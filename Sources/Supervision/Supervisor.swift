import Foundation
import Logging
import NIOHTTP1
import ServiceKit
import ServiceLifecycle
import Subprocess
import Suite
import SystemPackage

/// Keeps the services of a stack running, each as a child process: starts them in the order of their dependencies, watches them, starts
/// them again, and stops them in the opposite order, so that what a service still works on finds the services it needs.
public actor Supervisor: Service {
    private struct Child {
        let descriptor: ServiceDescriptor
        var lifecycle: ChildLifecycle
        var process: ProcessIdentity?
        var since = Date.now
    }

    private let settings: Settings
    private let program: FilePath
    private let logger: Logger
    private let own: ProcessIdentity
    private let lock: FileLock
    private var children: [Child]

    /// - Parameters:
    ///   - services: what to run, in start order.
    ///   - program: this very binary; children are `program serve NAME`.
    /// - Throws: ``SupervisionError`` when another supervisor runs in the same `DATA_DIR`, or the process cannot read its own identity.
    public init(settings: Settings, services: [ServiceDescriptor], program: FilePath, logger: Logger) throws {
        guard let own = ProcessIdentity(pid: getpid()) else {
            throw SupervisionError("This process cannot find itself in the process table.")
        }
        try settings.dataFolders.create()
        guard let lock = try FileLock.supervisor(settings.dataFolders.run) else {
            throw SupervisionError("Another supervisor runs in \(settings.dataFolders.root). Stop it with: maru down")
        }
        self.lock = lock
        self.settings = settings
        self.program = program
        self.logger = logger
        self.own = own
        children = services.map { Child(descriptor: $0, lifecycle: ChildLifecycle(startTimeout: $0.startTimeout)) }
    }

    /// Runs until graceful shutdown; then every child is gone.
    public func run() async throws {
        let record = ProcessRecord.supervisor(settings.dataFolders)
        try record.write(own)
        writeState()
        let services = children.map(\.descriptor)
        let lives = services.map { service in (id: service.id, task: Task { await self.keepRunning(service) }) }
        try? await gracefulShutdown()
        for wave in ServiceCatalogue.stopWaves(services) {
            let ending = lives.filter { wave.contains($0.id) }.map(\.task)
            for task in ending { task.cancel() }
            for task in ending { await task.value }
        }
        record.remove()
        for leftover in ProcessRecord.all(in: settings.dataFolders.run) { await leftover.endLeftover() }
        try? FileManager.default.removeItem(atPath: SupervisorState.file(settings.dataFolders).string)
    }

    private func keepRunning(_ service: ServiceDescriptor) async {
        await waitForDependencies(of: service)
        while !Task.isCancelled {
            let ending = await runOnce(service)
            guard !Task.isCancelled else { break }
            var wait = Duration.zero
            update(service.id) {
                wait = $0.lifecycle.ended(ending, at: .now)
                $0.process = nil
            }
            logger.warning(
                "a service ended", metadata: ["child": "\(service.id)", "reason": "\(ending)", "restart_in_s": "\(wait.seconds)"])
            try? await Task.sleep(for: wait)
        }
        update(service.id) {
            $0.lifecycle.stop()
            $0.process = nil
        }
    }

    /// Waits until every dependency that is part of this stack answers, or has failed: one that is broken holds up nobody.
    private func waitForDependencies(of service: ServiceDescriptor) async {
        while children.contains(where: { service.dependencies.contains($0.descriptor.id) && !$0.lifecycle.letsDependentsStart }) {
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return }
        }
    }

    /// One life of a child.
    ///
    /// - Returns: how it ended, in words.
    private func runOnce(_ service: ServiceDescriptor) async -> String {
        let folders = settings.dataFolders
        let record = ProcessRecord(service.id.rawValue, in: folders.run)
        let log = LogFile(folders.logs.appending("\(service.id).log"))
        var options = PlatformOptions()
        // A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops its children in peace.
        options.processGroupID = 0
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: service.gracePeriod)]
        do {
            let result = try await Subprocess.run(
                .path(program), arguments: ["serve", service.id.rawValue], environment: .custom(childEnvironment()),
                platformOptions: options,
                input: .inputWriter, output: .sequence, error: .combinedWithOutput
            ) { execution in
                // The writing end of the child's input stays open in this process as long as it lives; see SupervisorWatch.
                let identity = ProcessIdentity(pid: execution.processIdentifier.value)
                if let identity { try record.write(identity) }
                self.update(service.id) {
                    $0.lifecycle.start(at: .now)
                    $0.process = identity
                    $0.since = .now
                }
                let watch = Task { await self.watch(service, identity) }
                defer { watch.cancel() }
                await self.keepLog(of: execution.standardOutput, in: log, service)
                withExtendedLifetime(execution.standardInputWriter) {}
            }
            record.remove()
            return "\(result.terminationStatus)"
        } catch is CancellationError {
            record.remove()
            return "stopped"
        } catch {
            return "cannot run: \(error)"
        }
    }

    /// Writes what a child says into its log, to the end: a child whose output nobody takes would block. A log that cannot be written,
    /// such as on a full disk, is told once and costs the lines, not the service.
    private func keepLog(
        of output: some AsyncSequence<SubprocessOutputSequence.Element, any Error>, in log: LogFile, _ service: ServiceDescriptor
    ) async {
        var isTold = false
        do {
            for try await part in output {
                do {
                    try await log.append(part.withUnsafeBytes { Array($0) })
                    isTold = false
                } catch {
                    if !isTold { logger.error("a log cannot be written", metadata: ["child": "\(service.id)", "cause": "\(error)"]) }
                    isTold = true
                }
            }
        } catch {
            logger.debug("a child's output ended", metadata: ["child": "\(service.id)", "cause": "\(error)"])
        }
    }

    /// Follows a child for as long as it runs, and ends it when it does not answer.
    private func watch(_ service: ServiceDescriptor, _ process: ProcessIdentity?) async {
        while !Task.isCancelled {
            let probe = await probe(service, process)
            guard !Task.isCancelled else { return }
            var action = ChildLifecycle.Action.none
            update(service.id) { action = $0.lifecycle.saw(probe, at: .now) }
            if action == .end {
                logger.error("a service does not answer and is ended", metadata: ["child": "\(service.id)"])
                await process?.end(within: service.gracePeriod)
                return
            }
            try? await Task.sleep(for: probe == .ready ? .seconds(2) : .milliseconds(100))
        }
    }

    private func probe(_ service: ServiceDescriptor, _ process: ProcessIdentity?) async -> ChildLifecycle.Probe {
        guard service.port != nil else { return await pulse(of: service, process) }
        let client = ServiceClient(name: service.id.rawValue, baseURL: settings.baseURL(of: service.id), timeout: .seconds(5))
        do {
            _ = try await client.bytes(.GET, service.healthPath)
            return .ready
        } catch let error as UpstreamError where error.status != nil {
            return .alive(error.message)
        } catch {
            // Health asks dependencies and may be slow with them; liveness is the process's own.
            guard (try? await client.bytes(.GET, "/livez")) == nil else { return .alive("its health is not told in time") }
            return .silent("\(error)")
        }
    }

    /// What the heartbeat of a service that listens nowhere says. One that another process left behind says nothing.
    private func pulse(of service: ServiceDescriptor, _ process: ProcessIdentity?) async -> ChildLifecycle.Probe {
        let beat = try? await offPool { [folders = settings.dataFolders] in Heartbeat.last(of: service.id, in: folders) }
        guard let beat, beat.pid == process?.pid else { return .silent("it has shown no heartbeat yet") }
        guard beat.isFresh() else { return .silent("its last heartbeat is \(Int(beat.age())) s old") }
        return beat.problem.map(ChildLifecycle.Probe.alive) ?? .ready
    }

    private func update(_ service: ServiceID, _ change: (inout Child) -> Void) {
        guard let index = children.firstIndex(where: { $0.descriptor.id == service }) else { return }
        change(&children[index])
        writeState()
    }

    private func writeState() {
        let state = SupervisorState(
            supervisor: own, version: BuildInfo.version, commit: BuildInfo.commit,
            children: children.map { child in
                .init(
                    service: child.descriptor.id, phase: child.lifecycle.phase, process: child.process, restarts: child.lifecycle.restarts,
                    failures: child.lifecycle.failures, since: child.since, reason: child.lifecycle.reason)
            })
        guard state.children != lastWritten else { return }
        do {
            try state.write(settings.dataFolders)
            lastWritten = state.children
        } catch {
            logger.error("the supervisor's state cannot be written", metadata: ["cause": "\(error)"])
        }
    }

    private var lastWritten: [SupervisorState.Child]?

    /// What children are given of the environment: the settings, what programs need to be found, and that they are watched over.
    private func childEnvironment() -> [Environment.Key: String] {
        var environment = settings.asEnvironment.merging(InheritedEnvironment.bounded(ProcessInfo.processInfo.environment)) { own, _ in own
        }
        environment["MARU_HOME"] = settings.home.string
        environment[Settings.supervisedVariable] = "1"
        return Dictionary(
            uniqueKeysWithValues: environment.compactMap { name, value in Environment.Key(rawValue: name).map { ($0, value) } })
    }
}

/// Something that keeps the stack from being started or stopped, and what to do.
public struct SupervisionError: Error, CustomStringConvertible, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
}
