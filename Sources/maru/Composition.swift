import Embedding
import Foundation
import Gateway
import Inference
import Logging
import Metrics
import Retrieval
import Security
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import Vectors

/// Puts services together. The one place that knows all of them.
enum Composition {
    /// Runs one service until it is told to stop.
    static func serve(_ id: ServiceID, settings: Settings) async throws {
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        let logger = Logger.service(id.rawValue, settings: settings)
        try settings.dataFolders.create()
        let service = try await service(id, settings: settings, logger: logger)
        let server = ServiceServer(
            service, settings: settings, authenticator: try KeyAuthenticator(settings: settings), registry: registry, logger: logger)
        try await server.run()
    }

    private static func service(_ id: ServiceID, settings: Settings, logger: Logger) async throws -> any SuiteService {
        let key = try KeyFile.service(settings.dataFolders).readOrCreate()
        let clients = SuiteClients(settings: settings, key: key)
        switch id {
        case .inferenceChat, .inferenceCode: return try await InferenceService(id, settings: settings, logger: logger)
        case .gateway: return GatewayService(settings: settings, key: key)
        case .embedding: return try await EmbeddingService(settings: settings, clients: clients, logger: logger)
        case .qdrant: return VectorsService(settings: settings, logger: logger)
        case .rag: return try await RetrievalService(settings: settings, clients: clients, logger: logger)
        case .mcpServer, .memoryAPI, .memoryMaintainer: throw CommandError("\(id) is not part of this build.")
        }
    }

    /// This very binary, for starting itself again.
    static var program: FilePath {
        FilePath(Bundle.main.executablePath ?? CommandLine.arguments[0])
    }
}
