import Suite
import SystemPackage

/// How an engine is run: with which model, and within which bounds.
public struct EngineConfiguration: Sendable, Equatable {
    public enum Use: Sendable { case chat, embedding }

    public let use: Use
    public let model: FilePath
    /// The name under which the engine reports the model.
    public let alias: String
    /// Tokens of all conversations together.
    public let context: Int
    /// Tokens of a prompt that are read at once.
    public let batch: Int
    /// Conversations served at once.
    public let parallel: Int
    public let gpuLayers: Int
    public let threads: Int

    public init(use: Use, model: FilePath, alias: String, context: Int, batch: Int, parallel: Int = 1, gpuLayers: Int = 0, threads: Int) {
        self.use = use
        self.model = model
        self.alias = alias
        self.context = context
        self.batch = min(batch, context)
        self.parallel = parallel
        self.gpuLayers = gpuLayers
        self.threads = max(1, threads)
    }

    /// The command line. Flags that only tighten are passed where the build knows them; their names differ between builds.
    ///
    /// - Parameter keyFile: holds the random key without which the engine answers nobody.
    func arguments(for engine: Engine, port: Int, keyFile: FilePath) -> [String] {
        var arguments = [
            "--host", "127.0.0.1", "--port", String(port), "--api-key-file", keyFile.string, "--model", model.string, "--alias", alias,
            "--ctx-size", String(context), "--batch-size", String(batch), "--ubatch-size", String(batch), "--parallel", String(parallel),
            "--n-gpu-layers", String(engine.usesGPU ? gpuLayers : 0), "--threads", String(threads),
        ]
        if use == .embedding { arguments += ["--embeddings", "--pooling", "mean"] } else { arguments += ["--jinja"] }
        let tightening: [[String]] = [
            ["--cache-ram", "0"], ["--no-slots"], ["--no-ui"], ["--no-webui"], ["--cors-origins", "localhost"], ["--no-cors-credentials"],
            ["--metrics"], ["--no-context-shift"], ["--threads-http", "4"],
        ]
        for flag in tightening where engine.knows(flag[0]) { arguments += flag }
        return arguments
    }
}

extension EngineConfiguration {
    /// The engine of a chat or code model, as the settings say and the memory plan allows.
    public static func chat(_ model: FilePath, share: MemoryPlan.Share, settings: Settings) -> EngineConfiguration {
        EngineConfiguration(
            use: .chat, model: model, alias: share.model, context: share.context, batch: settings[SettingKeys.llamaBatch],
            parallel: settings[SettingKeys.llamaParallel], gpuLayers: share.gpuLayers, threads: share.threads)
    }

    /// The engine of an embedding model. Encoders read a text in one go, so batch and context are the same.
    public static func embedding(_ model: FilePath, share: MemoryPlan.Share) -> EngineConfiguration {
        EngineConfiguration(
            use: .embedding, model: model, alias: share.model, context: share.context, batch: share.context, gpuLayers: share.gpuLayers,
            threads: share.threads)
    }
}
