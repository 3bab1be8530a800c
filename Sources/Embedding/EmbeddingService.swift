import Inference
import Logging
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// Vectors of texts, in Korean as well as in English.
public struct EmbeddingService: SuiteService {
    public let id = ServiceID.embedding
    public let errorShape = ErrorShape.detail
    let models: ModelSwitch
    let timeout: Duration
    let process: EngineProcess
    private let batchSize: Int
    private let isNormalizing: Bool

    /// - Throws: when the engine or the model is missing or damaged, or the machine cannot hold it; the error names what helps.
    public init(settings: Settings, clients: SuiteClients, logger: Logger) async throws {
        let store = ModelStore(settings: settings)
        let file = try await store.file(for: .embedding)
        let discovery = EngineDiscovery(settings: settings)
        // All services plan by the same engine, or their plans would differ.
        let llama = try await discovery.find()
        let machine = await Machine.current().seen(by: llama)
        let share = try await store.plan(for: machine).share(.embedding)
        let engine = try await discovery.find(toEmbedWith: file.header, gpuLayers: share.gpuLayers, else: llama)
        if let reason = engine.passedOver, reason != llama.passedOver {
            logger.warning("the encoder does not work, llama-server embeds", metadata: ["reason": "\(reason)"])
        }
        let process = EngineProcess(
            name: id.rawValue, configuration: .embedding(file.path, share: share), engine: engine, runFolder: settings.dataFolders.run,
            logger: logger)
        let bounds = Embedder.Bounds(
            texts: settings[SettingKeys.embeddingMaxTexts], characters: settings[SettingKeys.embeddingMaxChars],
            batch: settings[SettingKeys.embeddingBatchSize])
        let isNormalizing = settings[SettingKeys.embeddingNormalize]
        let active: @Sendable (ModelFile, MemoryPlan.Share) -> ActiveModel = { [id] file, share in
            ActiveModel(file, share: share, on: process, service: id.rawValue, bounds: bounds, isNormalizing: isNormalizing)
        }
        models = ModelSwitch(
            active(file, share), store: store, machine: machine, liveCollections: { try await clients.vectors.collections() },
            activate: { file, share in
                let next = active(file, share)
                await process.run(next.configuration)
                return next
            })
        self.process = process
        self.isNormalizing = isNormalizing
        timeout = .seconds(settings[SettingKeys.requestTimeout])
        batchSize = bounds.batch
    }

    public var companions: [any Service] { [process] }

    public var routes: [Route] { EmbeddingRoutes(service: self).all }

    public func health() async -> Health {
        let state = await process.state
        let model = await models.active
        var facts: [String: JSONValue] = [
            "model": .string(model.name), "dim": .integer(Int64(model.dimension)), "batch_size": .integer(Int64(batchSize)),
            "normalize": .bool(isNormalizing), "threads": .integer(Int64(model.configuration.threads)),
            "loading": .bool(state == .starting), "error": .null,
        ]
        switch state {
        case .ready: return Health(.ok, facts: facts)
        case .starting: return Health(.loading, reason: "the model is loading", facts: facts)
        case .failing(let reason, _):
            facts["error"] = .string(reason)
            return Health(.degraded, reason: reason, facts: facts)
        case .stopped: return Health(.degraded, reason: "the engine is stopped", facts: facts)
        }
    }
}
