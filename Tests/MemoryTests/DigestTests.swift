import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Memory

/// A model that finds the same in everything, while something else happens.
private struct FindingModel: SuiteService {
    let id = ServiceID.gateway
    let errorShape = ErrorShape.openAI
    let meanwhile: @Sendable () async throws -> Void

    var routes: [Route] {
        [
            Route(.post, "/v1/chat/completions", "The same answer to everything.", stopsWhenClientLeaves: true) { request, _ in
                try await request.whileClientStays { try await meanwhile() }
                let text = #"{"facts":[{"fact":"The plums are ripe in July","category":"other"}],"preferences":[]}"#
                return .json(
                    [
                        "id": "c", "object": "chat.completion", "created": 1, "model": "chat-7b",
                        "choices": [
                            ["index": 0, "message": ["role": "assistant", "content": .string(text)], "finish_reason": "stop"]
                        ], "usage": ["prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2],
                    ] as JSONValue)
            }
        ]
    }

    func health() async -> Health { Health() }
}

@Suite("What is learnt from conversations")
struct DigestTests {
    /// Lets a store be looked through while something else happens to it.
    private func digest(_ store: MemoryStore, while meanwhile: @escaping @Sendable () async throws -> Void) async throws
        -> MemoryDigestStats
    {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            return try await withRunning(FindingModel(meanwhile: meanwhile), settings: settings) { gateway in
                let own = try await Settings.test(["API_GATEWAY_PORT": "\(gateway.port ?? 1)"], folder: folder)
                return try await Digest(store: store, chat: SuiteClients(settings: own, key: nil).chat, model: "chat-7b").run()
            }
        }
    }

    @Test("What is deleted while the model reads it is forgotten: no fact of it is kept, no day summed up with it")
    func deletedMeanwhile() async throws {
        try await withMemory { store, clock in
            let ids = try await (0..<3).map { "plums are ripe in July, said \($0)" }.asyncMap { try await store.keep($0, importance: 9) }
            clock.advance(days: 1)
            let stats = try await digest(store) { if let last = ids.last { try? await store.delete(last) } }
            // Two are left, and from the first of them it is known.
            #expect(stats.facts == 1 && stats.summaries == 0)
            #expect(try await store.knowledge(.facts).map { $0["source_conversation_id"] } == [.integer(ids[0])])
            #expect(try await store.knowledge(.summaries).isEmpty)
        }
    }

    @Test("A day is summed up once, and not with what is deleted at that moment")
    func summary() async throws {
        try await withMemory { store, clock in
            let ids = try await (0..<4).map { "plums are ripe in July, said \($0)" }.asyncMap { try await store.keep($0, importance: 9) }
            #expect(try await digest(store) {}.summaries == 0, "the day is not over")
            clock.advance(days: 1)
            #expect(try await digest(store) { try? await store.delete(ids[0]) }.summaries == 0)
            #expect(try await store.knowledge(.summaries).isEmpty)
            #expect(try await digest(store) {}.summaries == 1)
            #expect(try await digest(store) {}.summaries == 0)
            #expect(try await store.knowledge(.summaries).map { $0["conversation_count"] } == [3])
        }
    }

    @Test("A day that two sum up at once has one summary")
    func summaryOfTwo() async throws {
        try await withMemory { store, clock in
            for number in 0..<3 { try await store.keep("plums are ripe in July, said \(number)", importance: 9) }
            // All is looked through: what the model is asked for next is the day's summary.
            _ = try await digest(store) {}
            clock.advance(days: 1)
            // Another has the day summed up while this one waits for the model.
            let first = try await digest(store) { if try await store.knowledge(.summaries).isEmpty { _ = try await digest(store) {} } }
            #expect(first.summaries == 0)
            #expect(try await store.knowledge(.summaries).count == 1)
        }
    }

    @Test("A client that leaves stops what it has the model look for", .timeLimit(.minutes(5)))
    func clientLeaves() async throws {
        try await withScratchFolder { folder in
            let (began, ended) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
            let model = FindingModel(meanwhile: {
                began.continuation.yield()
                defer { ended.continuation.finish() }
                try await Task.sleep(for: .seconds(3_600))
            })
            let settings = try await Settings.test(["REQUEST_TIMEOUT": "3600"], folder: folder)
            try await withRunning(model, settings: settings) { gateway in
                let own = try await Settings.test(["API_GATEWAY_PORT": "\(gateway.port ?? 1)", "QDRANT_PORT": "1"], folder: folder)
                let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                let memory = MemoryService(settings: own, clients: SuiteClients(settings: own, key: nil), logger: quiet)
                try await MemoryStack.store(of: memory).keep("plums are ripe in July", importance: 9)
                try await withRunning(memory, settings: own) { client in
                    let call = Task {
                        var request = HTTPClientRequest(
                            url: "http://127.0.0.1:\(client.port ?? 0)/v1/memory/projects/user-tester/digest")
                        request.method = .POST
                        return try await HTTPClient.suite.execute(request, timeout: .seconds(3_600))
                    }
                    for await _ in began.stream { break }
                    call.cancel()
                    for await _ in ended.stream {}
                    _ = await call.result
                }
            }
        }
    }
}
