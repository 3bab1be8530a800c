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
        // Encoders read a text in one go, so batch and context are the model's whole length. More would only take memory.
        let limit = min(model.header.contextLength ?? 512, 512)
        let threads = await Machine.current().threads(settings[SettingKeys.embeddingThreads])
        let configuration = EngineConfiguration(
            use: .embedding, model: model.path, alias: model.name, context: limit, batch: limit, threads: threads)
        process = EngineProcess(
            name: id.rawValue, configuration: configuration, engine: engine, runFolder: settings.dataFolders.run, logger: logger)
        embedder = Embedder(
            engine: EmbeddingEngine(process: process, name: id.rawValue), profile: .of(model.name), tokenLimit: limit,
            maxTexts: settings[SettingKeys.embeddingMaxTexts], maxChars: settings[SettingKeys.embeddingMaxChars],
            isNormalizing: settings[SettingKeys.embeddingNormalize])
        vectors = clients.vectors
        batchSize = settings[SettingKeys.embeddingBatchSize]
        self.threads = threads
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
