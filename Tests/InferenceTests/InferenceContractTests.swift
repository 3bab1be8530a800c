import Foundation
import Logging
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

@Suite("A model behind a port, as a service")
struct InferenceContractTests {
    @Test("It keeps what every service keeps, also while its engine is away")
    func contract() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let engine = Engine(path: folder.appending("none"), origin: .setting, build: nil, help: "", usesGPU: false)
            let whole = GGUFHeaderTests.file()
            let model = ModelFile(
                name: "m", path: folder.appending("m.gguf"), header: try GGUFHeader(head: whole, fileSize: Int64(whole.count)), created: 0)
            let configuration = EngineConfiguration(use: .chat, model: model.path, alias: "m", context: 512, batch: 64, threads: 1)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let process = EngineProcess(name: "m", configuration: configuration, engine: engine, runFolder: folder, logger: logger)
            let service = InferenceService(
                .inferenceChat, settings: settings, served: ServedModel(file: model, configuration: configuration), engine: engine,
                process: process, logger: logger, patience: .init())
            try await ServiceContract(service, settings: settings).check()
        }
    }
}
