import Logging
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Memory

@Suite("Memory's contract")
struct MemoryContractTests {
    @Test("It keeps what every service keeps")
    func contract() async throws {
        try await withScratchFolder { folder in
            // Nothing listens on port 1: everything it calls is away, and is told to be at once.
            let away = ["API_GATEWAY_PORT": "1", "EMBEDDING_PORT": "1", "QDRANT_PORT": "1", "QDRANT_MAX_RETRIES": "0"]
            let settings = try await Settings.test(away, folder: folder)
            let service = MemoryService(
                settings: settings, clients: SuiteClients(settings: settings, key: nil),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await ServiceContract(service, settings: settings).check()
        }
    }
}
