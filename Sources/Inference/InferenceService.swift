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
    let models: ModelSwitch
    let relay: Relay
    private let engineFacts: Engine

    /// Chooses model and engine as the settings say.
    ///
    /// - Throws: when there is no engine, the model is missing or damaged, or the machine cannot hold it; the error names what helps.
    public init(_ id: ServiceID, settings: Settings, logger: Logger) async throws {
        try await self.init(id, settings: settings, logger: logger, patience: ModelSwitch.Patience())
    }

    init(_ id: ServiceID, settings: Settings, logger: Logger, patience: ModelSwitch.Patience) async throws {
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
            id, settings: settings, served: ServedModel(file: model, configuration: configuration), engine: found,
            process: EngineProcess(
                name: id.rawValue, configuration: configuration, engine: found, runFolder: settings.dataFolders.run, logger: logger),
            logger: logger, patience: patience)
    }

    init(
        _ id: ServiceID, settings: Settings, served: ServedModel, engine: Engine, process: EngineProcess, logger: Logger,
        patience: ModelSwitch.Patience
    ) {
        self.id = id
        let relay = Relay(name: id.rawValue, http: .relaying(settings))
        self.relay = relay
        engineFacts = engine
        self.engine = process
        models = ModelSwitch(
            served, of: id, on: process, engine: engine, settings: settings, logger: logger, patience: patience,
            answersInProgress: { relay.requestsInProgress })
    }

    public var companions: [any Service] { [engine] }

    public var routes: [Route] { InferenceRoutes(service: self).all }

    public func health() async -> Health {
        let (served, next) = await (models.served, models.next)
        let (model, configuration) = (served.file, served.configuration)
        let facts: [String: JSONValue] = [
            "model": .string(model.name), "context": .integer(Int64(configuration.context)),
            "gpu_layers": .integer(Int64(configuration.gpuLayers)),
            "engine_build": engineFacts.build.map { .integer(Int64($0)) } ?? .null,
            "engine": .string(engineFacts.origin.rawValue), "advisories": .integer(Int64(EngineAdvisories.applying(to: engineFacts).count)),
        ]
        if let next { return Health(.loading, reason: "\(next) is loading in place of \(model.name)", facts: facts) }
        switch await engine.state {
        case .ready: return Health(.ok, facts: facts)
        case .starting: return Health(.loading, reason: "the model is loading", facts: facts)
        case .failing(let reason, let wait): return Health(.degraded, reason: "\(reason); next try in \(wait.seconds) s", facts: facts)
        case .stopped: return Health(.degraded, reason: "the engine is stopped", facts: facts)
        }
    }
}
