import Inference

/// The model that is served, and what depends on it.
struct ActiveModel: Sendable {
    let file: ModelFile
    let configuration: EngineConfiguration
    let embedder: Embedder

    var name: String { file.name }

    /// Components of a vector.
    var dimension: Int { file.header.embeddingLength ?? 0 }
}

extension ActiveModel {
    /// A model as a process runs it, or will.
    ///
    /// - Parameter service: who is to blame in errors.
    init(
        _ file: ModelFile, share: MemoryPlan.Share, on process: EngineProcess, service: String, bounds: Embedder.Bounds,
        isNormalizing: Bool
    ) {
        let configuration = EngineConfiguration.embedding(file.path, share: share)
        let engine = EmbeddingEngine.running(
            process, model: configuration, name: service, dimension: file.header.embeddingLength ?? 0)
        self.init(
            file: file, configuration: configuration,
            embedder: Embedder(
                engine: engine, profile: .of(file.name), tokenLimit: configuration.context, bounds: bounds, isNormalizing: isNormalizing))
    }
}
