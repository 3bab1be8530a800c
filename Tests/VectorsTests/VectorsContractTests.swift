import Logging
import Suite
import TestSupport
import Testing

@testable import Vectors

@Suite("The vector store as a service")
struct VectorsContractTests {
    @Test("It keeps what every service keeps")
    func contract() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let service = VectorsService(settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await ServiceContract(service, settings: settings).check()
        }
    }
}
