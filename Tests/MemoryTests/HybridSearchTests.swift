import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Memory

/// A vector store that has no collection, and cannot make one.
private struct FullVectorStore: SuiteService {
    let id = ServiceID.qdrant
    let errorShape = ErrorShape.qdrant

    var routes: [Route] {
        [
            Route(.get, "/collections/{name}", "There is none.") { _, _ in throw ServiceError.notFound("there is none", code: "not_found")
            },
            Route(.put, "/collections/{name}", "Fails.") { _, _ in
                throw ServiceError(.internalServerError, code: "full", "no room is left")
            },
        ]
    }

    func health() async -> Health { Health() }
}

@Suite("Search by words and meaning", .serialized)
struct HybridSearchTests {
    private static let conversations = "/v1/memory/conversations"

    private func hits(_ store: MemoryStore, _ scores: [Int64: Double]) async throws -> [HybridSearch.Hit] {
        var hits: [HybridSearch.Hit] = []
        for (id, score) in scores {
            var hit = HybridSearch.Hit(conversation: try await store.conversation(id))
            hit.score = score
            hits.append(hit)
        }
        return hits.sorted { $0.score > $1.score }
    }

    @Test("Of two conversations about the same the newer comes first, and says before which it stands")
    func succession() async throws {
        try await withMemory { store, clock in
            let old = try await store.keep("the stand-up is at ten", importance: 10)
            clock.advance(days: 1)
            let new = try await store.keep("we stand up at half past nine now", importance: 10)
            clock.advance(days: 1)
            let other = try await store.keep("the stand of the market", importance: 10)
            let found = try await hits(store, [old: 0.9, new: 0.6, other: 0.5])
            let same: Set = [old, new]
            let ordered = Succession.ordered(found) { same == [$0, $1] ? 0.7 : 0.1 }
            #expect(ordered.map(\.conversation.id) == [new, old, other])
            #expect(ordered.map(\.newerThan) == [[old], [], []])
            #expect(Succession.ordered(found) { _, _ in 0.1 }.map(\.conversation.id) == [old, new, other])
        }
    }

    @Test("What fits much less is not put first for being newer, nor is what is as old")
    func successionKeepsToItsLatitude() async throws {
        try await withMemory { store, clock in
            let old = try await store.keep("the stand-up is at ten", importance: 10)
            let twin = try await store.keep("the stand-up is at ten, they say", importance: 10)
            clock.advance(days: 1)
            let new = try await store.keep("the chairs are new", importance: 10)
            let found = try await hits(store, [old: 0.9, twin: 0.89, new: 0.89 - Succession.latitude - 0.01])
            #expect(Succession.ordered(found) { _, _ in 1 }.map(\.conversation.id) == [old, twin, new])
        }
    }

    @Test("The score is the sum of what the answer says of it")
    func explanation() async throws {
        try await MemoryStack.run { stack in
            for (query, level) in [("rotate the database password", 9), ("paint the garden fence", 5), ("database of birds", 7)] {
                _ = try await stack.call(
                    .post, Self.conversations,
                    ["user_query": .string(query), "ai_response": "Yes.", "importance_score": .integer(Int64(level))])
            }
            try await stack.inStep(stack.service)
            let found = try await stack.call(.post, Self.conversations + "/search", ["query": "rotate the database password"])
            let results = try #require(found.body["results"]?.arrayValue)
            #expect(results.count == 3 && results.first?["user_query"] == "rotate the database password")
            for result in results {
                let parts = try #require(result["search_metadata"])
                func number(_ name: String) -> Double { parts[name]?.doubleValue ?? 0 }
                let similarity = result["similarity_score"]?.doubleValue ?? number("assumed_similarity")
                let importance = (try #require(result["importance_score"]?.doubleValue) - 5) / 5
                let sum =
                    similarity + number("words_weight") * number("relevance_score") + number("importance_weight") * importance
                    + number("recency_weight") * number("recency")
                if parts["newer_than"] == [] { #expect(abs(sum - number("combined_score")) < 0.000_001) }
                #expect(number("combined_score") >= sum - 0.000_001)
            }
        }
    }

    @Test("How many a filter lets through is judged by some of them, and never as none at all")
    func share() async throws {
        try await withMemory { store, _ in
            #expect(try await store.share(passing: MemoryFilter(model: "small")) == 1)
            for number in 0..<600 { try await store.keep("turn \(number)", importance: number % 7 < 2 ? 9 : 5) }
            #expect(try await store.share(passing: MemoryFilter(importance: 9...10)) > 0.2)
            #expect(try await store.share(passing: MemoryFilter(importance: 9...10)) < 0.5)
            #expect(try await store.share(passing: MemoryFilter(importance: 5...10)) == 1)
            let none = try await store.share(passing: MemoryFilter(model: "small"))
            #expect(none > 0 && none < 0.01)
        }
    }

    @Test("In a session or a time of few conversations meaning is compared with each, however many are nearer elsewhere")
    func narrow() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            for number in 0..<700 { try await store.keep("apples and pears number\(number)", importance: 9) }
            var new = NewConversation(query: "something else", response: "apples, once")
            (new.session, new.importance) = ("one", 9)
            let id = try await store.save(new).id
            while try await store.queueSize() > 0 { _ = try await stack.idle.sync.run(store, batch: 128) }
            #expect(try await store.few(MemoryFilter(session: "one"), atMost: 2) == [id])
            #expect(try await store.few(MemoryFilter(since: .distantPast), atMost: 700) == nil)
            #expect(try await store.few(MemoryFilter(importance: 9...10), atMost: 700) == nil)
            #expect(try await store.few(MemoryFilter(importance: 9...10, session: "one"), atMost: 2) == [id])
            let search = stack.idle.search(in: store)
            for way in [HybridSearch.Way.vector, .hybrid] {
                let found = try await search.run("apples pears", MemoryFilter(session: "one"), by: way, limit: 5)
                #expect(found.hits.map(\.conversation.id) == [id])
            }
        }
    }

    @Test("Vectors that are not there yet are not taken for lost ones")
    func notYet() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try await withRunning(FullVectorStore(), settings: base) { vectors in
                try await withRunning(WordEmbedding(), settings: base) { embedding in
                    let settings = try await Settings.test(
                        [
                            "QDRANT_PORT": "\(vectors.port ?? 1)", "EMBEDDING_PORT": "\(embedding.port ?? 1)", "API_GATEWAY_PORT": "1",
                            "QDRANT_MAX_RETRIES": "0",
                        ], folder: folder)
                    let memory = MemoryService(
                        settings: settings, clients: SuiteClients(settings: settings, key: nil), logger: Logger(label: "test"))
                    let store = try await MemoryStack.store(of: memory)
                    try await store.keep("plums and pears")
                    #expect(try await memory.sync.run(store, batch: 8).failed == 1)
                    let found = try await memory.search(in: store).run("plums", MemoryFilter(), by: .hybrid, limit: 5)
                    #expect(found.hits.count == 1 && found.withoutVectors == nil, "\(found.withoutVectors ?? "")")
                    // What was there once is another matter.
                    try await store.setEmbeddingModel("words")
                    let later = try await memory.search(in: store).run("plums", MemoryFilter(), by: .hybrid, limit: 5)
                    #expect(later.hits.count == 1 && later.withoutVectors?.contains("gone") == true)
                }
            }
        }
    }
}

@Suite("How near in meaning")
struct MeaningScaleTests {
    /// A space of four axes: one that all texts share, one for the language, two for the subject.
    private let scale = MeaningScale([
        .korean: ([[10, 2, 1, 0], [10, 2, -1, 0]], [[10, 3, 0, 1], [10, 3, 0, -1]]),
        .english: ([[10, -2, 1, 0], [10, -2, -1, 0]], [[10, -3, 0, 1], [10, -3, 0, -1]]),
    ])

    private func similarity(_ question: [Float], _ language: Language, _ conversation: [Float]) -> Double {
        let asked = scale.question(question, language)
        return asked.similarity(asked.vector.dot(conversation.scaledToOne))
    }

    @Test("A conversation about the subject in another language is nearer than one beside the point in the same")
    func acrossLanguages() {
        let question: [Float] = [10, 2, 2, 0]
        let (there, beside): ([Float], [Float]) = ([10, -3, 2, 0], [10, 3, -0.2, 2])
        #expect(question.scaledToOne.dot(beside.scaledToOne) > question.scaledToOne.dot(there.scaledToOne))
        #expect(similarity(question, .korean, there) > 0.5 && similarity(question, .korean, beside) < 0.2)
        #expect(abs(similarity(question, .korean, there) - similarity(question, .korean, [10, 3, 2, 0])) < 0.01)
    }

    @Test("Two conversations that say the same in two languages are near, two about different things are not")
    func conversations() {
        #expect(scale.similarity([10, 3, 2, 0], [10, -3, 2, 0]) > 0.95)
        #expect(abs(scale.similarity([10, 3, 2, 0], [10, 3, 0, 2])) < 0.2)
    }

    @Test("Vectors of another model are compared as they are")
    func otherModel() {
        #expect(scale.question([0, 1], .english).vector == [0, 1])
        #expect(scale.similarity([0, 2], [0, 1]) == 1)
    }
}
