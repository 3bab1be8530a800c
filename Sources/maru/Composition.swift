import Embedding
import Foundation
import Gateway
import Inference
import Logging
import Memory
import Metrics
import Retrieval
import Security
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI
import SystemPackage
import Tools
import Vectors

/// Puts services together. The one place that knows all of them.
enum Composition {
    /// Runs one service until it is told to stop.
    static func serve(_ id: ServiceID, settings: Settings) async throws {
        let registry = PrometheusRegistry(bounds: ApprovalMetrics.bounds)
        MetricsSystem.bootstrap(registry)
        let logger = Logger.service(id.rawValue, settings: settings)
        try settings.dataFolders.create()
        try await ProcessLife.run(settings, logger: logger) {
            id == .memoryMaintainer
                ? [try maintainer(settings, logger: logger)] : try await servers(of: id, settings, registry: registry, logger: logger)
        }
    }

    /// A service behind its port; that of tools has one more, for administration.
    private static func servers(
        of id: ServiceID, _ settings: Settings, registry: PrometheusRegistry, logger: Logger
    ) async throws -> [any Service] {
        // Whatever starts first makes it, so that there is somebody who can administer.
        _ = try KeyFile.admin(settings.dataFolders).readOrCreate()
        let database = try await SecurityDatabase.open(settings)
        let identities = Identities(database)
        let authenticator = try KeyAuthenticator(settings: settings, identities: identities)
        let guards = { try Guards(database, identities: identities, settings: settings, logger: logger) }
        let service = try await service(id, settings: settings, guards: guards, logger: logger)
        let server = ServiceServer(service, settings: settings, authenticator: authenticator, registry: registry, logger: logger)
        guard let tools = service as? ToolsService else { return [server.application()] }
        let administration = ServiceServer(
            AdministrationService(of: tools, settings: settings), settings: settings, authenticator: authenticator, registry: registry,
            logger: logger)
        return [administration.application(port: settings[SettingKeys.mcpSecurityPort]), server.application()]
    }

    /// Looks after memory, which is no work for a server.
    private static func maintainer(_ settings: Settings, logger: Logger) throws -> MemoryMaintainer {
        let clients = SuiteClients(settings: settings, key: try KeyFile.service(settings.dataFolders).readOrCreate())
        return MemoryMaintainer(settings: settings, clients: clients, logger: logger)
    }

    /// Serves the tools to one client over standard input and output.
    static func stdio(settings: Settings) async throws {
        let logger = Logger.service(ServiceID.mcpServer.rawValue, settings: settings)
        try settings.dataFolders.create()
        let database = try await SecurityDatabase.open(settings)
        let identities = Identities(database)
        let authenticator = try KeyAuthenticator(settings: settings, identities: identities)
        let key = settings[SettingKeys.apiKey]
        guard let caller = try await authenticator.caller(for: Credentials(key: key.isEmpty ? nil : key, userID: nil)) else {
            throw CommandError("MARU_API_KEY proves nobody. Make a key with: maru key create USER")
        }
        let clients = SuiteClients(settings: settings, key: try KeyFile.service(settings.dataFolders).readOrCreate())
        let guards = try Guards(database, identities: identities, settings: settings, logger: logger)
        let service = try await ToolsService(settings: settings, clients: clients, guards: guards, logger: logger)
        try await StdioServer(server: service.mcp, caller: caller, logger: logger).run()
        try await guards.seal()
    }

    private static func service(_ id: ServiceID, settings: Settings, guards: () throws -> Guards, logger: Logger) async throws
        -> any SuiteService
    {
        let key = try KeyFile.service(settings.dataFolders).readOrCreate()
        let clients = SuiteClients(settings: settings, key: key)
        switch id {
        case .inferenceChat, .inferenceCode: return try await InferenceService(id, settings: settings, logger: logger)
        case .gateway: return GatewayService(settings: settings, key: key, logger: logger)
        case .embedding: return try await EmbeddingService(settings: settings, clients: clients, logger: logger)
        case .qdrant: return VectorsService(settings: settings, logger: logger)
        case .rag: return try await RetrievalService(settings: settings, clients: clients, logger: logger)
        case .mcpServer: return try await ToolsService(settings: settings, clients: clients, guards: try guards(), logger: logger)
        case .memoryAPI: return MemoryService(settings: settings, clients: clients, logger: logger)
        case .memoryMaintainer: preconditionFailure("the maintainer listens nowhere: it is no service of a server")
        }
    }

    /// This very binary, for starting itself again.
    static var program: FilePath {
        FilePath(Bundle.main.executablePath ?? CommandLine.arguments[0])
    }
}
