import Foundation
import ServiceKit
import SuiteAPI

/// Brings the vector store in step with a project: one point for each conversation, under its number.
struct VectorSync: Sendable {
    let store: MemoryStore
    let embedding: EmbeddingClient
    let vectors: VectorStoreClient
    let meaning: Meaning
    let foreground: ForegroundActivity
    /// How long the first batch steps back at the most; a later one three times as long as the one before it took, so that a quarter of the time
    /// is its own whoever goes on saving and searching.
    private static let courtesy = Duration.seconds(1)
    private static let courtesies = 3
    /// Points that are removed together.
    private static let removed = 128

    /// Collections are named after the whole id: no two projects share one.
    static func collection(of project: ProjectID) -> String { "memory_\(project)" }

    private var collection: String { Self.collection(of: store.project) }

    /// Works through what is queued when it begins, or until a service is away. What is refused waits for another run; what the store has lost, or
    /// holds of another embedding model, is written anew.
    ///
    /// - Parameter anew: whether everything is.
    /// - Throws: the database's error, or ``UpstreamError`` when a service is away; what was not written stays queued.
    func run(batch: Int, anew: Bool = false) async throws -> MemorySyncStats {
        var outcome = MemorySyncStats()
        let begun = store.now()
        if anew {
            // Nothing is thrown away that could not be made once more.
            _ = try await embedding.embed([Self.sample], for: .passage)
            try await startAnew()
        }
        try await delete(&outcome)
        // What is saved meanwhile is for the next run, before which other projects have their turn.
        let last = try await store.lastConversation()
        var hasLooked = false
        var pause = Self.courtesy
        while true {
            let taken = try await store.takePending(batch, upTo: last, due: begun)
            guard !taken.isEmpty else {
                // What was written a moment ago would have come upon it.
                if outcome.synced == 0, !hasLooked {
                    hasLooked = true
                    if try await queueLost() { continue }
                }
                // What was refused before and is not due again.
                outcome.skipped = max(0, try await store.putOff(after: begun) - outcome.failed)
                return outcome
            }
            try await foreground.quiet(atMost: pause)
            let start = ContinuousClock.now
            defer { pause = (.now - start) * Self.courtesies }
            do {
                try await write(taken)
                outcome.synced += taken.count
            } catch let error as UpstreamError where error.isAway {
                try await store.giveBack(taken, for: error.description)
                throw error
            } catch {
                // One that the services refuse must not hold up the others.
                try await writeSingly(taken, &outcome)
            }
        }
    }

    private func writeSingly(_ conversations: [Conversation], _ outcome: inout MemorySyncStats) async throws {
        for (index, conversation) in conversations.enumerated() {
            do {
                try await write([conversation])
                outcome.synced += 1
            } catch let error as UpstreamError where error.isAway {
                try await store.giveBack(Array(conversations[index...]), for: error.description)
                throw error
            } catch {
                try await store.putOff([conversation], for: "\(error)")
                outcome.failed += 1
            }
        }
    }

    private func write(_ conversations: [Conversation]) async throws {
        let answer = try await embedding.embed(conversations.map { Self.text($0.query, $0.response) }, for: .passage, truncate: true)
        try await keep(to: answer)
        let points = zip(conversations, answer.embeddings).map { conversation, vector in
            PointRecord(id: .number(UInt64(conversation.id)), vector: vector, payload: payload(of: conversation))
        }
        do {
            try await vectors.upsert(points, to: collection)
        } catch let error as UpstreamError where error.status == 404 {
            // There is none any more.
            try await create(answer.dim)
            try await vectors.upsert(points, to: collection)
        }
        try await store.finish(conversations)
        // What is learnt here no question has to wait for; where that fails, the first one tries again.
        try? await meaning.prepare(for: answer.model)
    }

    /// Has all vectors made anew where the model is another than the one that made those in the store.
    private func keep(to answer: EmbedResponse) async throws {
        let before = try await store.embeddingModel()
        guard before != answer.model else { return }
        // Vectors that are older than the record of their model are judged by their length.
        var size = try await vectors.collection(collection)?.size
        if size != nil, before != nil || size != answer.dim {
            try await startAnew()
            size = nil
        }
        // Who searches takes a collection that is not there for a lost one once its model is known.
        if size == nil { try await create(answer.dim) }
        // Last of all: whatever ends before that begins again.
        try await store.setEmbeddingModel(answer.model)
    }

    /// Makes the collection. Whatever one before it held is written again.
    private func create(_ size: Int) async throws {
        try await store.queueAll()
        try await vectors.createCollection(collection, size: size)
    }

    /// Queued first: whatever ends in between goes on with the next run.
    private func startAnew() async throws {
        try await store.queueAll()
        _ = try await store.retryNow()
        try await vectors.deleteCollection(collection)
    }

    /// Looks whether the store still has what it was given, made by the model of now. A service that is away is asked with the next run.
    ///
    /// - Returns: whether there may be something to write.
    private func queueLost() async throws -> Bool {
        guard let model = try await store.embeddingModel() else { return false }
        let (size, answer): (Int?, EmbedResponse)
        do {
            (size, answer) = try await withDeadline(Self.patience) {
                (try await vectors.collection(collection)?.size, try await embedding.embed([Self.sample], for: .passage))
            }
        } catch  where error is UpstreamError || error is DeadlineExceeded {
            return false
        }
        guard size == nil || answer.model != model else { return false }
        if size == nil { try await store.queueAll() }
        try await keep(to: answer)
        return true
    }

    private static let patience = Duration.seconds(5)
    /// A text by which a model is told.
    private static let sample = "memory"

    private func delete(_ outcome: inout MemorySyncStats) async throws {
        var pause = Self.courtesy
        while true {
            let points = try await store.pendingDeletions(Self.removed)
            guard !points.isEmpty else { return }
            try await foreground.quiet(atMost: pause)
            let start = ContinuousClock.now
            defer { pause = (.now - start) * Self.courtesies }
            do {
                try await vectors.delete(points.map { .number(UInt64($0)) }, from: collection)
            } catch let error as UpstreamError where error.status == 404 {
                // Without a collection there are no points.
            }
            try await store.finishDeletions(points)
            outcome.deleted += points.count
        }
    }

    static func text(_ query: String, _ response: String) -> String { "Q: \(query)\nA: \(response)" }

    private func payload(of conversation: Conversation) -> [String: JSONValue] {
        [
            "conversation_id": .integer(conversation.id), "project_id": .string(store.project.text),
            "user_query": .string(String(conversation.query.prefix(500))),
            "ai_response": .string(String(conversation.response.prefix(1_000))),
            "timestamp": .string(conversation.timestamp), "model_used": .of(conversation.model),
            "importance_score": .integer(Int64(conversation.importance)), "created_at": .string(conversation.createdAt),
        ]
    }
}

extension UpstreamError {
    /// Whether the service itself cannot work now, whatever it is asked. An answer of 500 is about what was sent: the same would be answered
    /// for ever, and hold up all that waits behind it.
    fileprivate var isAway: Bool { isTransient && status != 500 }
}
