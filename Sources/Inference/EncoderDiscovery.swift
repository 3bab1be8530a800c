import Foundation
import ServiceKit
import Suite
import SystemPackage

extension EngineDiscovery {
    private var encoder: EngineInstaller { EngineInstaller(.encoder, folder: settings.dataFolders.engine.appending("encoder")) }

    /// The engine that embeds with a model: the one that `EMBEDDING_ENGINE` names; the managed encoder, if it is installed, knows the model,
    /// and none of it goes to a GPU; else llama-server.
    ///
    /// - Parameters:
    ///   - gpuLayers: layers of the model that the memory plan puts on a GPU, where llama-server is the faster one.
    ///   - llama: the llama-server of this machine.
    /// - Throws: ``NoEngine`` when the one that is to be used does not work.
    public func find(toEmbedWith model: GGUFHeader, gpuLayers: Int, else llama: Engine) async throws -> Engine {
        let isLeftToUs = settings[SettingKeys.embeddingEngine].isEmpty
        guard !isLeftToUs || (gpuLayers == 0 && model.isKnownToEncoder) else { return llama }
        return try await existingEncoder() ?? llama
    }

    /// The encoder that is there; `nil` when there is none, or `EMBEDDING_ENGINE` wants none.
    ///
    /// - Throws: ``NoEngine`` when it does not work.
    public func existingEncoder() async throws -> Engine? {
        switch settings[SettingKeys.embeddingEngine] {
        case "llama-server": return nil
        case "": return encoder.isInstalled ? try await probe(encoder.launcher, .managed) : nil
        case let named:
            let path = settings.path(named)
            guard FileManager.default.isExecutableFile(atPath: path.string) else {
                throw NoEngine(description: "EMBEDDING_ENGINE is \(path), which is not an executable file.")
            }
            return try await probe(path, .embeddingSetting)
        }
    }

    /// Installs the managed encoder, where it is wanted and not there.
    ///
    /// - Parameter begin: told when something is going to be installed.
    /// - Returns: the encoder; `nil` when `EMBEDDING_ENGINE` wants none.
    /// - Throws: ``NoEngine`` when it cannot be installed or does not work. llama-server embeds then.
    public func installEncoder(_ begin: () -> Void) async throws -> Engine? {
        if settings[SettingKeys.embeddingEngine].isEmpty, !encoder.isInstalled {
            begin()
            try await encoder.install()
        }
        return try await existingEncoder()
    }
}

extension GGUFHeader {
    /// Whether the managed encoder can run the model: an encoder of BERT's kind with SentencePiece's tokenizer.
    var isKnownToEncoder: Bool { architecture == "bert" && tokenizer == "t5" }
}
