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

/// Keeps one llama-server running: starts it, waits until its model is loaded, starts it again when it dies, ends it with the service.
///
/// It listens on a random port of the loopback interface and answers nobody without its random key.
public actor EngineProcess: Service {
    private let name: String
    let configuration: EngineConfiguration
    private let engine: Engine
    private let runFolder: FilePath
    private let logger: Logger
    public private(set) var state = EngineState.stopped
    private var lastLines: [String] = []
    private var readySince: ContinuousClock.Instant?

    /// - Parameters:
    ///   - name: the owning service's name; the process is recorded as `NAME.engine.pid` in the folder.
    ///   - runFolder: `DATA_DIR/run`.
    public init(name: String, configuration: EngineConfiguration, engine: Engine, runFolder: FilePath, logger: Logger) {
        self.name = name
        self.configuration = configuration
        self.engine = engine
        self.runFolder = runFolder
        self.logger = logger
    }

    /// Where the engine is reached; `nil` while it is not ready.
    public func endpoint() -> EngineEndpoint? {
        guard case .ready(let endpoint) = state else { return nil }
        return endpoint
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
            let ending = await runOnce(record)
            guard !Task.isCancelled else { return }
            // Loading is not running: a model that takes minutes to load and then crashes is not tried without pause.
            let wait = backoff.wait(afterRunning: readySince?.duration(to: .now) ?? .zero)
            let reason = "\(engine.path) \(ending)" + (lastLines.isEmpty ? "" : ": " + lastLines.suffix(5).joined(separator: " | "))
            logger.error("the engine ended", metadata: ["reason": "\(reason)", "retry_in_s": "\(wait.seconds)"])
            state = .failing(reason: reason, retryIn: wait)
            try? await Task.sleep(for: wait)
        }
    }

    /// One life of the engine.
    ///
    /// - Returns: how it ended, in words.
    private func runOnce(_ record: ProcessRecord) async -> String {
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
                if let identity = ProcessIdentity(pid: execution.processIdentifier.value) { try record.write(identity) }
                let readiness = Task { await self.waitUntilReady(endpoint) }
                defer { readiness.cancel() }
                for try await line in execution.standardError.strings() { self.note(line) }
            }
            return "\(result.terminationStatus)"
        } catch is CancellationError {
            return "was stopped"
        } catch {
            return "cannot run: \(error)"
        }
    }

    private func waitUntilReady(_ endpoint: EngineEndpoint) async {
        let client = ServiceClient(name: name, baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(2))
        while !Task.isCancelled {
            if (try? await client.bytes(.GET, "/health")) != nil {
                guard !Task.isCancelled else { return }
                state = .ready(endpoint)
                readySince = .now
                logger.info("the model is loaded", metadata: ["model": "\(configuration.model)", "engine_build": "\(engine.build ?? 0)"])
                return
            }
            try? await Task.sleep(for: .milliseconds(150))
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
