import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Vectors

@testable import Memory

/// Embeds a text by which words it holds: enough to tell texts apart where the model's own judgement is not what is tested.
struct WordEmbedding: SuiteService {
    let id = ServiceID.embedding
    let errorShape = ErrorShape.detail
    /// A text that holds it is refused.
    static let refused = "unspeakable"
    /// A text that holds it is more than the service can bear.
    static let breaking = "unbearable"

    var routes: [Route] {
        [
            Route(.post, "/embed", "One vector for each text.") { request, context in
                let body = try await request.decode(EmbedRequest.self, context)
                guard !body.texts.contains(where: { $0.contains(Self.refused) }) else {
                    throw ServiceError.invalid("no vector for that", parameter: "texts")
                }
                guard !body.texts.contains(where: { $0.contains(Self.breaking) }) else {
                    throw ServiceError(.internalServerError, code: "broken", "that was too much")
                }
                return .json(EmbedResponse(embeddings: body.texts.map(Self.vector), model: "words", dim: 32, normalize: true))
            }
        ]
    }

    func health() async -> Health { Health() }

    private static func vector(_ text: String) -> [Float] {
        var vector = [Float](repeating: 0.01, count: 32)
        for (term, count) in MemoryTerms(text).counts where term.count > 1 {
            vector[Int(term.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) } % 32)] += Float(count)
        }
        return vector
    }
}

/// Memory with a real vector store and a plain embedding service beside it.
struct MemoryStack: Sendable {
    let client: any TestClientProtocol
    let service: MemoryService
    /// Another memory beside the same services, which nothing brings in step by itself.
    let idle: MemoryService
    /// A memory beside which nothing answers.
    let alone: MemoryService
    /// By which the idle memory lives.
    let clock: MovedClock

    func call(_ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil) async throws -> (status: Int, body: JSONValue) {
        let bytes = try body.map { ByteBuffer(data: try JSONEncoder.wire.encode($0)) }
        // Over connections of a pool: long work closes the one it came over.
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(client.port ?? 0)\(path)")
        request.method = HTTPMethod(rawValue: method.rawValue)
        request.body = bytes.map { .bytes($0) }
        let answer = try await HTTPClient.suite.execute(request, timeout: .seconds(60))
        let told = try await answer.body.collect(upTo: 1 << 24)
        return (Int(answer.status.code), (try? JSONDecoder().decode(JSONValue.self, from: Data(buffer: told))) ?? .null)
    }

    static func run(_ body: @escaping @Sendable (MemoryStack) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let base = try await Settings.test(folder: folder)
            try await withRunning(VectorsService(settings: base, logger: quiet), settings: base) { vectors in
                try await withRunning(WordEmbedding(), settings: base) { embedding in
                    func service(
                        _ ports: [String: String], _ folder: FilePath, now: @escaping @Sendable () -> Date = { .now }
                    ) async throws -> MemoryService {
                        // A stack that runs on this machine is not asked.
                        let own = ["QDRANT_MAX_RETRIES": "0", "API_GATEWAY_PORT": "1"]
                        let settings = try await Settings.test(ports.merging(own) { $1 }, folder: folder)
                        return MemoryService(
                            settings: settings, clients: SuiteClients(settings: settings, key: nil), logger: quiet, now: now)
                    }
                    let clock = MovedClock()
                    let ports = ["QDRANT_PORT": "\(vectors.port ?? 1)", "EMBEDDING_PORT": "\(embedding.port ?? 1)"]
                    let memory = try await service(ports, folder)
                    let idle = try await service(ports, folder.appending("idle"), now: { clock.now })
                    let alone = try await service(["QDRANT_PORT": "1", "EMBEDDING_PORT": "1"], folder.appending("alone"))
                    try await withRunning(memory, settings: memory.settings) { client in
                        try await body(MemoryStack(client: client, service: memory, idle: idle, alone: alone, clock: clock))
                    }
                }
            }
        }
    }

    /// A maintainer that asks this memory, and its folders.
    func maintainer() async throws -> (MemoryMaintainer, DataFolders) { try await Self.maintainer(of: service, at: client.port) }

    static func maintainer(of service: MemoryService, at port: Int?) async throws -> (MemoryMaintainer, DataFolders) {
        let folders = service.settings.dataFolders
        try folders.create()
        let settings = try await Settings.test(
            ["MEMORY_PORT": "\(port ?? 1)", "API_GATEWAY_PORT": "1"], folder: folders.root.removingLastComponent())
        let clients = SuiteClients(settings: settings, key: nil)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return (MemoryMaintainer(settings: settings, clients: clients, logger: quiet), settings.dataFolders)
    }

    /// The tester's project in the idle memory.
    var idleStore: MemoryStore {
        get async throws { try await Self.store(of: idle) }
    }

    static func store(of service: MemoryService) async throws -> MemoryStore {
        try await service.projects.store(try ProjectID(of: "tester"), for: Caller(id: "tester", role: .developer))
    }

    /// Waits until everything is written that can be.
    func inStep(_ service: MemoryService) async throws {
        let store = try await Self.store(of: service)
        while try await store.queue(1).size > 0 { _ = try await service.sync.run(store, batch: 8) }
    }
}
