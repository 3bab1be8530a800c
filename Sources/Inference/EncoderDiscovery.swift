import Foundation
import ServiceKit
import Suite
import SystemPackage

extension EngineDiscovery {
    private var encoder: EngineInstaller { EngineInstaller(.encoder, folder: settings.dataFolders.engine.appending("encoder")) }

    /// The engine that embeds with a model: the one that `EMBEDDING_ENGINE` names; the managed encoder, if it is installed and works, knows the
    /// model, and none of it goes to a GPU; else llama-server.
    ///
    /// - Parameters:
    ///   - gpuLayers: layers of the model that the memory plan puts on a GPU, where llama-server is the faster one.
    ///   - llama: the llama-server of this machine.
    /// - Throws: ``NoEngine`` when the one that `EMBEDDING_ENGINE` names does not work.
    public func find(toEmbedWith model: GGUFHeader, gpuLayers: Int, else llama: Engine) async throws -> Engine {
        guard isLeftToUs else { return try await existingEncoder() ?? llama }
        guard gpuLayers == 0, model.isKnownToEncoder else { return llama }
        do {
            return try await existingEncoder() ?? llama
        } catch let error as NoEngine {
            var engine = llama
            engine.passedOver = error.description
            return engine
        }
    }

    private var isLeftToUs: Bool { settings[SettingKeys.embeddingEngine].isEmpty }

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

    /// Installs the managed encoder, where it would be used and is not there; one that does not work is installed anew.
    ///
    /// - Parameters:
    ///   - llama: the llama-server of this machine. One that uses a GPU embeds, too.
    ///   - begin: told when something is going to be installed.
    /// - Returns: the encoder; `nil` when none is wanted.
    /// - Throws: why there is none. llama-server embeds then, unless `EMBEDDING_ENGINE` names a program.
    public func installEncoder(beside llama: Engine, _ begin: () -> Void) async throws -> Engine? {
        guard isLeftToUs else { return try await existingEncoder() }
        guard !llama.usesGPU else { return nil }
        do {
            if let encoder = try await existingEncoder() { return encoder }
        } catch is NoEngine {
            encoder.discard()
        }
        begin()
        try await encoder.install()
        return try await existingEncoder()
    }
}

extension GGUFHeader {
    /// Whether the managed encoder can run the model: an encoder of BERT's kind with SentencePiece's tokenizer and every part that such a one
    /// has, and small enough. It holds the layers as 32-bit numbers, several times while it starts; the memory plan counts what llama-server
    /// takes, which is more than that for small models alone.
    var isKnownToEncoder: Bool {
        guard architecture == "bert", tokenizer == "t5", let width = embeddingLength, let layers = blockCount, let wide = feedForwardLength
        else { return false }
        let parts = [
            "attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", "attn_output_norm", "layer_output_norm",
        ]
        let names = ["position_embd.weight", "token_types.weight", "token_embd.weight"] + Self.pair("token_embd_norm")
        return layers * (4 * width * width + 2 * width * wide) <= Self.mostNumbers && tensorNames.isSuperset(of: names)
            && (0..<layers).allSatisfy { layer in tensorNames.isSuperset(of: parts.flatMap { Self.pair("blk.\(layer).\($0)") }) }
    }

    /// A base model's layers have 85 million.
    private static let mostNumbers = 100_000_000

    private static func pair(_ name: String) -> [String] { [name + ".weight", name + ".bias"] }
}
