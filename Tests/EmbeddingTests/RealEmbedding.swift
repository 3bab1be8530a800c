import Foundation
import HTTPTypes
import HummingbirdTesting
import Inference
import Logging
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Embedding

/// The real engine and the real embedding model, where the machine has them.
enum RealEmbedding {
    private static let environment = ProcessInfo.processInfo.environment
    static let server = environment["MARU_TEST_LLAMA_SERVER"] ?? ""
    static let model = FilePath(environment["MARU_TEST_MODELS"] ?? "").appending("multilingual-e5-small-Q4_0.gguf")
    static let isThere = !server.isEmpty && FileManager.default.fileExists(atPath: model.string)
    /// The encoder, which embeds in these tests where the machine has one.
    static let encoder = environment["MARU_TEST_ENCODER"] ?? ""
    static let hasEncoder = isThere && !encoder.isEmpty
    static let needsEncoder: Comment = "needs MARU_TEST_ENCODER besides what the other tests need"
    static let need: Comment = "needs MARU_TEST_LLAMA_SERVER, and multilingual-e5-small-Q4_0.gguf in the folder MARU_TEST_MODELS"
}

/// A vector store of a test's own, that only knows the names of its collections.
private struct Collections: SuiteService {
    let id = ServiceID.qdrant
    let errorShape = ErrorShape.qdrant

    func health() async -> Health { Health() }

    var routes: [Route] {
        [
            Route(.get, "/collections", "The collections.") { _, _ in
                .json(["result": ["collections": []]] as JSONValue)
            }
        ]
    }
}

/// A running embedding service.
struct RunningEmbedding: Sendable {
    let service: EmbeddingService
    let http: ServiceClient
    let models: FilePath

    /// Runs a service, and a vector store without collections beside it, until the body is done.
    static func with<Value: Sendable>(
        _ values: [String: String] = [:], in folder: FilePath, _ body: @escaping @Sendable (RunningEmbedding) async throws -> Value
    ) async throws -> Value {
        let own = ["LLAMA_SERVER": RealEmbedding.server, "EMBEDDING_ENGINE": RealEmbedding.encoder]
        let plain = try await Settings.test(own.merging(values) { _, given in given }, folder: folder)
        try plain.dataFolders.create()
        try FileManager.default.createDirectory(atPath: plain.modelsFolder.string, withIntermediateDirectories: true)
        for name in ["multilingual-e5-small-Q4_0.gguf", "second.gguf"] {
            try FileManager.default.createSymbolicLink(
                atPath: plain.modelsFolder.appending(name).string, withDestinationPath: RealEmbedding.model.string)
        }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try await withRunning(Collections(), settings: plain) { store in
            let port = try #require(store.port)
            let settings = try await Settings.test(
                own.merging(values) { _, given in given }.merging(["QDRANT_URL": "http://127.0.0.1:\(port)"]) { $1 }, folder: folder)
            let clients = SuiteClients(settings: settings, key: nil)
            let service = try await EmbeddingService(settings: settings, clients: clients, logger: logger)
            return try await withRunning(service, settings: settings) { client in
                let port = try #require(client.port)
                let http = ServiceClient(name: "embedding", baseURL: "http://127.0.0.1:\(port)", timeout: .seconds(240))
                return try await body(RunningEmbedding(service: service, http: http, models: settings.modelsFolder))
            }
        }
    }

    /// Waits until the service is ready, and gives what its health says.
    func ready() async throws -> JSONValue {
        for _ in 0..<2_400 {
            if let health: JSONValue = try? await http.send(.GET, "/health") { return health }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw UpstreamError(service: "embedding", message: "it never became ready")
    }

    func embed(_ texts: [String], _ purpose: EmbeddingPurpose? = nil, truncate: Bool? = nil) async throws -> EmbedResponse {
        try await http.send(.POST, "/embed", body: EmbedRequest(texts: texts, purpose: purpose, truncate: truncate))
    }
}
