import AsyncHTTPClient
import Foundation
import Logging
import ServiceKit
import ServiceLifecycle
import Suite

/// A model behind an HTTP port: owns one engine, passes requests on to it, adds what it lacks.
public struct InferenceService: SuiteService {
    public let id: ServiceID
    public let errorShape = ErrorShape.openAI
    let engine: EngineProcess
    let model: ModelFile
    let relay: Relay
    private let engineFacts: Engine
    private let configuration: EngineConfiguration

    /// Chooses model and engine as the settings say.
    ///
    /// - Throws: when there is no engine, the model is missing or damaged, or the machine cannot hold it; the error names what helps.
    public init(_ id: ServiceID, settings: Settings, logger: Logger) async throws {
        let role: ModelRole = id == .inferenceCode ? .code : .chat
        let store = ModelStore(settings: settings)
        let model = try await store.file(for: role)
        let found = try await EngineDiscovery(settings: settings).find()
        if let reason = found.passedOver { logger.warning("an engine is passed over", metadata: ["reason": "\(reason)"]) }
        let plan = await store.plan(for: await Machine.current().seen(by: found))
        for line in plan.notes { logger.info("memory plan", metadata: ["note": "\(line)"]) }
        for line in plan.problems { logger.error("memory plan", metadata: ["problem": "\(line)"]) }
        let configuration = EngineConfiguration.chat(model.path, share: try plan.share(role), settings: settings)
        self.init(
            id, settings: settings, model: model, engine: found, configuration: configuration,
            process: EngineProcess(
                name: id.rawValue, configuration: configuration, engine: found, runFolder: settings.dataFolders.run, logger: logger))
    }

    init(_ id: ServiceID, settings: Settings, model: ModelFile, engine: Engine, configuration: EngineConfiguration, process: EngineProcess)
    {
        self.id = id
        self.model = model
        relay = Relay(name: id.rawValue, http: .relaying(settings))
        engineFacts = engine
        self.configuration = configuration
        self.engine = process
    }

    public var companions: [any Service] { [engine] }

    public var routes: [Route] { InferenceRoutes(service: self).all }

    public func health() async -> Health {
        let facts: [String: JSONValue] = [
            "model": .string(model.name), "context": .integer(Int64(configuration.context)),
            "gpu_layers": .integer(Int64(configuration.gpuLayers)),
            "engine_build": engineFacts.build.map { .integer(Int64($0)) } ?? .null,
            "engine": .string(engineFacts.origin.rawValue), "advisories": .integer(Int64(EngineAdvisories.applying(to: engineFacts).count)),
        ]
        switch await engine.state {
        case .ready: return Health(.ok, facts: facts)
        case .starting: return Health(.loading, reason: "the model is loading", facts: facts)
        case .failing(let reason, let wait): return Health(.degraded, reason: "\(reason); next try in \(wait.seconds) s", facts: facts)
        case .stopped: return Health(.degraded, reason: "the engine is stopped", facts: facts)
        }
    }

    /// What one request may ask of the model.
    var bounds: RequestFields.Bounds { .init(context: configuration.context, choices: configuration.parallel) }

    /// The engine, if it can be asked now.
    ///
    /// - Throws: 503 with what it is doing.
    func readyEngine() async throws -> EngineEndpoint {
        switch await engine.state {
        case .ready(let endpoint): return endpoint
        case .starting: throw ServiceError.unavailable("The model is loading.", code: "model_loading", retryAfter: .seconds(2))
        case .failing(let reason, let wait):
            throw ServiceError.unavailable("The engine failed: \(reason)", code: "engine_failed", retryAfter: wait)
        case .stopped: throw ServiceError.unavailable("The engine is stopped.", code: "engine_stopped")
        }
    }
}
