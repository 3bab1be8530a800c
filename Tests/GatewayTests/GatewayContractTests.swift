import Suite
import TestSupport
import Testing

@testable import Gateway

@Suite("The gateway as a service")
struct GatewayContractTests {
    @Test("It keeps what every service keeps")
    func contract() async throws {
        try await withScratchFolder { folder in
            // Nothing listens on port 1: every upstream is away.
            let ports = ["INFERENCE_CHAT_PORT", "INFERENCE_CODE_PORT", "EMBEDDING_PORT"]
            let settings = try await Settings.test(Dictionary(uniqueKeysWithValues: ports.map { ($0, "1") }), folder: folder)
            try await ServiceContract(GatewayService(settings: settings, key: "k", logger: quiet), settings: settings).check()
        }
    }
}
