import Foundation
import Logging
import ServiceKit
import ServiceLifecycle
import Subprocess
import Suite
import SystemPackage

/// Keeps the services of a stack running, each as a child process: starts them, watches them, starts them again, stops them in order.
public actor Supervisor: Service {
    private let settings: Settings
    private let services: [ServiceDescriptor]
    private let program: FilePath
    private let logger: Logger
    private var state: SupervisorState

    /// - Parameters:
    ///   - services: what to run, in start order.
    ///   - program: this very binary; children are `program serve NAME`.
    /// - Throws: when the process cannot read its own identity.
    public init(settings: Settings, services: [ServiceDescriptor], program: FilePath, logger: Logger) throws {
        guard let own = ProcessIdentity(pid: getpid()) else {
            throw SupervisionError("This process cannot find itself in the process table.")
        }
        self.settings = settings
        self.services = services
        self.program = program
        self.logger = logger
        state = SupervisorState(
            supervisor: own, version: BuildInfo.version,
            children: services.map { .init(service: $0.id, phase: .waiting, process: nil, restarts: 0, since: .now, reason: nil) })
    }

    /// Runs until graceful shutdown; then every child is gone.
    public func run() async throws {
        try settings.dataFolders.create()
        try state.write(settings.dataFolders)
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                for service in self.services { group.addTask { await self.keepRunning(service) } }
            }
        }
        // Children were ended by the cancellation, each with its grace period.
        for record in ProcessRecord.all(in: settings.dataFolders.run) { await record.endLeftover() }
        try? FileManager.default.removeItem(atPath: SupervisorState.file(settings.dataFolders).string)
    }

    private func keepRunning(_ service: ServiceDescriptor) async {
        var backoff = RestartBackoff()
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let ending = await runOnce(service)
            guard !Task.isCancelled else { return }
            let wait = backoff.wait(afterRunning: start.duration(to: .now))
            logger.warning(
                "a service ended", metadata: ["child": "\(service.id)", "reason": "\(ending)", "restart_in_s": "\(wait.seconds)"])
            update(service.id) {
                $0.phase = .backingOff
                $0.process = nil
                $0.restarts += 1
                $0.reason = "\(ending); next start in \(Int(wait.seconds)) s"
            }
            try? await Task.sleep(for: wait)
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
                    $0.phase = .starting
                    $0.process = identity
                    $0.since = .now
                    $0.reason = nil
                }
                let readiness = Task { await self.watchReadiness(service) }
                defer { readiness.cancel() }
                for try await part in execution.standardOutput { try await log.append(part.withUnsafeBytes { Array($0) }) }
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

    /// Follows a child's health for as long as it runs.
    private func watchReadiness(_ service: ServiceDescriptor) async {
        let client = ServiceClient(name: service.id.rawValue, baseURL: settings.baseURL(of: service.id), timeout: .seconds(5))
        var wasReady = false
        while !Task.isCancelled {
            do {
                _ = try await client.bytes(.GET, service.healthPath)
                if !wasReady {
                    update(service.id) {
                        $0.phase = .ready
                        $0.reason = nil
                    }
                }
                wasReady = true
            } catch {
                guard !Task.isCancelled else { return }
                wasReady = false
                update(service.id) {
                    $0.phase = .starting
                    $0.reason = "\(error)"
                }
            }
            try? await Task.sleep(for: wasReady ? .seconds(2) : .milliseconds(250))
        }
    }

    private func update(_ service: ServiceID, _ change: (inout SupervisorState.Child) -> Void) {
        guard let index = state.children.firstIndex(where: { $0.service == service }) else { return }
        change(&state.children[index])
        do {
            try state.write(settings.dataFolders)
        } catch {
            logger.error("the supervisor's state cannot be written", metadata: ["cause": "\(error)"])
        }
    }

    /// What children are given of the environment: the settings, what programs need to be found, and that they are watched over.
    private func childEnvironment() -> [Environment.Key: String] {
        let inherited = ProcessInfo.processInfo.environment
        var environment = settings.asEnvironment
        for name in ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE"] {
            environment[name] = inherited[name]
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
