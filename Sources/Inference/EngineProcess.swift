import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceKit
import ServiceLifecycle
import Subprocess
import SystemPackage

/// Where a running engine is reached, and with which key.
public struct EngineEndpoint: Sendable, Equatable {
    public let baseURL: String
    public let key: String
}

/// What an engine is doing.
public enum EngineState: Sendable, Equatable {
    case starting
    case ready(EngineEndpoint)
    case failing(reason: String, retryIn: Duration)
    case stopped
}

/// An engine that is not ready and will not be by waiting, and why.
struct EngineFailed: Error, CustomStringConvertible {
    let description: String
}

/// Keeps one llama-server running: starts it, waits until its model is loaded, starts it again when it dies, ends it with the service.
///
/// It listens on a random port of the loopback interface and answers nobody without its random key.
public actor EngineProcess: Service {
    private let name: String
    private var configuration: EngineConfiguration
    private let engine: Engine
    private let runFolder: FilePath
    private let logger: Logger
    private let pulse: Pulse
    public private(set) var state = EngineState.stopped
    private var lastLines: [String] = []
    private var readySince: ContinuousClock.Instant?
    /// How often the configuration was exchanged.
    private var exchanges = 0
    /// Ends the life of one engine, or the wait for the next.
    private var endStage: (@Sendable () -> Void)?

    /// - Parameters:
    ///   - name: the owning service's name; the process is recorded as `NAME.engine.pid` in the folder.
    ///   - runFolder: `DATA_DIR/run`.
    public init(name: String, configuration: EngineConfiguration, engine: Engine, runFolder: FilePath, logger: Logger) {
        self.init(name: name, configuration: configuration, engine: engine, runFolder: runFolder, logger: logger, pulse: Pulse())
    }

    init(name: String, configuration: EngineConfiguration, engine: Engine, runFolder: FilePath, logger: Logger, pulse: Pulse) {
        self.pulse = pulse
        self.name = name
        self.configuration = configuration
        self.engine = engine
        self.runFolder = runFolder
        self.logger = logger
    }

    /// How an engine that was ready is watched: how often it is asked, and how long it may be silent.
    struct Pulse: Sendable {
        var every = Duration.seconds(10)
        var patience = Duration.seconds(60)
    }

    /// Where the engine is reached; `nil` while it is not ready.
    public func endpoint() -> EngineEndpoint? {
        guard case .ready(let endpoint) = state else { return nil }
        return endpoint
    }

    /// Where the engine is reached, if it is ready with this configuration.
    public func endpoint(of configuration: EngineConfiguration) -> EngineEndpoint? {
        configuration == self.configuration ? endpoint() : nil
    }

    /// Runs another model, or the same in another way, in place of the one before. Who asks the engine meanwhile is told that it is loading.
    public func run(_ next: EngineConfiguration) {
        guard next != configuration else { return }
        configuration = next
        exchanges += 1
        if state != .stopped { state = .starting }
        endStage?()
    }

    /// Waits until the engine is ready with a configuration that ``run(_:)`` was given.
    ///
    /// - Throws: ``EngineFailed`` with why it will not be.
    func waitUntilReady(with wanted: EngineConfiguration, within limit: Duration) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while true {
            guard wanted == configuration else { throw EngineFailed(description: "another model took its place") }
            switch state {
            case .ready: return
            case .failing(let reason, _): throw EngineFailed(description: reason)
            case .stopped: throw EngineFailed(description: "the service is stopping")
            case .starting: break
            }
            guard ContinuousClock.now < deadline else {
                throw EngineFailed(description: "it was not loaded after \(Int(limit.seconds)) s")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Runs until graceful shutdown.
    public func run() async throws {
        let record = ProcessRecord("\(name).engine", in: runFolder)
        if await record.endLeftover() { logger.notice("ended an engine that an earlier run left behind") }
        await cancelWhenGracefulShutdown { await self.keepRunning(record) }
        state = .stopped
        record.remove()
        try? FileManager.default.removeItem(atPath: keyFile.string)
    }

    private var keyFile: FilePath { runFolder.appending("\(name).engine.key") }

    private func keepRunning(_ record: ProcessRecord) async {
        var backoff = RestartBackoff()
        while !Task.isCancelled {
            state = .starting
            readySince = nil
            lastLines = []
            let (running, exchange) = (configuration, exchanges)
            let ending = await during { await self.runOnce(running, record) }
            guard !Task.isCancelled else { return }
            guard exchange == exchanges else {
                backoff = RestartBackoff()
                continue
            }
            // Loading is not running: a model that takes minutes to load and then crashes is not tried without pause.
            let wait = backoff.wait(afterRunning: readySince?.duration(to: .now) ?? .zero)
            let reason = "\(engine.path) \(ending)" + (lastLines.isEmpty ? "" : ": " + lastLines.suffix(5).joined(separator: " | "))
            logger.error("the engine ended", metadata: ["reason": "\(reason)", "retry_in_s": "\(wait.seconds)"])
            state = .failing(reason: reason, retryIn: wait)
            await during { try? await Task.sleep(for: wait) }
        }
    }

    /// Does work that ends early when the engine is to stop or to run something else.
    private func during<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let task = Task { await work() }
        endStage = { task.cancel() }
        defer { endStage = nil }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// One life of the engine.
    ///
    /// - Returns: how it ended, in words.
    private func runOnce(_ configuration: EngineConfiguration, _ record: ProcessRecord) async -> String {
        do {
            let endpoint = EngineEndpoint(
                baseURL: "http://127.0.0.1:\(try await Self.freePort())", key: RequestScope.makeID() + RequestScope.makeID())
            guard let port = endpoint.baseURL.split(separator: ":").last.flatMap({ Int($0) }) else { return "has no port" }
            let key = Data((endpoint.key + "\n").utf8)
            guard FileManager.default.createFile(atPath: keyFile.string, contents: key, attributes: [.posixPermissions: 0o600]) else {
                return "cannot be given its key: \(keyFile) cannot be written"
            }
            var options = PlatformOptions()
            options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
            let environment = EngineEnvironment.bounded(ProcessInfo.processInfo.environment)
            let result = try await Subprocess.run(
                .path(engine.path), arguments: Arguments(configuration.arguments(for: engine, port: port, keyFile: keyFile)),
                environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (.init(stringLiteral: $0), $1) })),
                platformOptions: options, input: .none, output: .discarded, error: .sequence
            ) { execution in
                let identity = ProcessIdentity(pid: execution.processIdentifier.value)
                if let identity { try record.write(identity) }
                let watch = Task {
                    await self.waitUntilReady(endpoint, configuration)
                    await self.endWhenSilent(identity, endpoint)
                }
                defer { watch.cancel() }
                for try await line in execution.standardError.strings() { self.note(line) }
            }
            return "\(result.terminationStatus)"
        } catch is CancellationError {
            return "was stopped"
        } catch {
            return "cannot run: \(error)"
        }
    }

    private func waitUntilReady(_ endpoint: EngineEndpoint, _ configuration: EngineConfiguration) async {
        let client = ServiceClient(name: name, baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(2))
        while !Task.isCancelled {
            if (try? await client.bytes(.GET, "/health")) != nil {
                guard !Task.isCancelled, configuration == self.configuration else { return }
                state = .ready(endpoint)
                readySince = .now
                logger.info("the model is loaded", metadata: ["model": "\(configuration.model)", "engine": "\(engine)"])
                return
            }
            try? await Task.sleep(for: .milliseconds(150))
        }
    }

    /// Asks a running engine again and again whether it is there, and ends it when it has said nothing for long: one that hangs would
    /// never end by itself, and its service would call it ready for good.
    private func endWhenSilent(_ process: ProcessIdentity?, _ endpoint: EngineEndpoint) async {
        let client = ServiceClient(name: name, baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(5))
        var lastAnswer = ContinuousClock.now
        while (try? await Task.sleep(for: pulse.every)) != nil {
            do {
                _ = try await client.bytes(.GET, "/health")
                lastAnswer = .now
            } catch let error as UpstreamError where error.status != nil {
                lastAnswer = .now
            } catch {
                guard !Task.isCancelled, lastAnswer.duration(to: .now) > pulse.patience else { continue }
                logger.error("the engine does not answer and is ended", metadata: ["cause": "\(error)"])
                note("no answer for \(Int(pulse.patience.seconds)) s")
                state = .starting
                await process?.end(within: .seconds(5))
                return
            }
        }
    }

    private func note(_ line: String) {
        let line = line.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !line.isEmpty else { return }
        logger.debug("engine", metadata: ["line": "\(line)"])
        lastLines.append(String(line.prefix(300)))
        if lastLines.count > 20 { lastLines.removeFirst() }
    }

    /// A port that was free a moment ago; an engine that loses the race for it is started again with another.
    private static func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 0
        try await channel.close()
        return port
    }
}
