import Logging
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Embedding

@Suite("Embedding as a service", .enabled(if: RealEmbedding.isThere, RealEmbedding.need))
struct EmbeddingContractTests {
    @Test("It keeps what every service keeps")
    func contract() async throws {
        try await withScratchFolder { folder in
            let values = [
                "LLAMA_SERVER": RealEmbedding.server, "MODELS_DIR": RealEmbedding.model.removingLastComponent().string,
                "QDRANT_PORT": "1", "QDRANT_MAX_RETRIES": "0",
            ]
            let settings = try await Settings.test(values, folder: folder)
            try settings.dataFolders.create()
            let service = try await EmbeddingService(
                settings: settings, clients: SuiteClients(settings: settings, key: nil),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await ServiceContract(service, settings: settings).check()
        }
    }
}
