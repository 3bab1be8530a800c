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
    let model: ModelFile
    let embedder: Embedder
    let vectors: VectorStoreClient
    let store: ModelStore
    private let process: EngineProcess
    private let batchSize: Int
    private let threads: Int

    /// - Throws: when the engine or the model is missing or damaged; the error names the command that helps.
    public init(settings: Settings, clients: SuiteClients, logger: Logger) async throws {
        store = ModelStore(settings: settings)
        let model = try await store.file(for: .embedding)
        let engine = try await EngineDiscovery(settings: settings).find()
        let share = try await store.plan(for: await Machine.current().seen(by: engine)).share(.embedding)
        let configuration = EngineConfiguration.embedding(model.path, share: share)
        process = EngineProcess(
            name: id.rawValue, configuration: configuration, engine: engine, runFolder: settings.dataFolders.run, logger: logger)
        embedder = Embedder(
            engine: EmbeddingEngine(process: process, name: id.rawValue), profile: .of(model.name), tokenLimit: configuration.context,
            maxTexts: settings[SettingKeys.embeddingMaxTexts], maxChars: settings[SettingKeys.embeddingMaxChars],
            isNormalizing: settings[SettingKeys.embeddingNormalize])
        vectors = clients.vectors
        batchSize = settings[SettingKeys.embeddingBatchSize]
        threads = configuration.threads
        self.model = model
    }

    /// Components of a vector.
    var dimension: Int { model.header.embeddingLength ?? 0 }

    public var companions: [any Service] { [process] }

    public var routes: [Route] { EmbeddingRoutes(service: self).all }

    public func health() async -> Health {
        let state = await process.state
        var facts: [String: JSONValue] = [
            "model": .string(model.name), "dim": .integer(Int64(dimension)), "batch_size": .integer(Int64(batchSize)),
            "normalize": .bool(embedder.isNormalizing), "threads": .integer(Int64(threads)), "loading": .bool(state == .starting),
            "error": .null,
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
