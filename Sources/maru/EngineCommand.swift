import ArgumentParser
import Inference
import Suite

/// `maru engine`.
struct EngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "The llama-server that runs the models.", subcommands: [Install.self, Show.self])

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Install the managed engine (\(EngineInstaller.downloadSize)), unless a llama-server is there already.")
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let settings = try await given.load()
            let engine = try await EngineDiscovery(settings: settings).install {
                print("Installing \(EngineInstaller.package) (\(EngineInstaller.downloadSize), some 10 seconds) …")
            }
            print("Engine: \(engine)")
            if let reason = engine.passedOver { print("  ⚠️ passed over: \(reason)") }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the engine in use and the advisories that concern it.")
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let engine = try await EngineDiscovery(settings: try await given.load()).find()
            print("Engine: \(engine)")
            if let reason = engine.passedOver { print("  ⚠️ passed over: \(reason)") }
            for advisory in EngineAdvisories.applying(to: engine) { print("  \(advisory)") }
        }
    }
}
