import ArgumentParser
import Inference
import Suite

/// `maru engine`.
struct EngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "The engines that run the models.", subcommands: [Install.self, Show.self])

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Install the managed engines, unless they are there already.",
            discussion: """
                llama-server (\(ManagedEngine.llamaServer.downloadSize)) runs any model; it is not installed when there is one on PATH or \
                LLAMA_SERVER names one. onnx-encoder (\(ManagedEngine.encoder.downloadSize)) runs embedding models on the CPU, several times as \
                fast; where it cannot be installed, on a GPU, or if EMBEDDING_ENGINE says so, llama-server embeds.
                """)
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let settings = try await given.load()
            let discovery = EngineDiscovery(settings: settings)
            let engine = try await discovery.install { Self.announce(.llamaServer) }
            print("Engine: \(engine)")
            if let reason = engine.passedOver { print("  ⚠️ passed over: \(reason)") }
            do {
                if let encoder = try await discovery.installEncoder(beside: engine, { Self.announce(.encoder) }) {
                    print("Encoder: \(encoder)")
                }
            } catch  where settings[SettingKeys.embeddingEngine].isEmpty {
                print("  ⚠️ llama-server embeds, since there is no encoder: \(error)")
            }
        }

        private static func announce(_ engine: ManagedEngine) {
            print("Installing \(engine.description) (\(engine.downloadSize), some 10 seconds) …")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the engines in use and the advisories that concern them.")
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let discovery = EngineDiscovery(settings: try await given.load())
            let engine = try await discovery.find()
            print("Engine: \(engine)")
            if let reason = engine.passedOver { print("  ⚠️ passed over: \(reason)") }
            for advisory in EngineAdvisories.applying(to: engine) { print("  \(advisory)") }
            if let encoder = try await discovery.existingEncoder() { print("Encoder: \(encoder)") }
        }
    }
}
