import Foundation
import ServiceKit
import SuiteAPI

/// Finds conversations by words and by meaning at once, each once, and says why.
struct HybridSearch: Sendable {
    /// Which ways are taken.
    enum Way: String, Sendable { case hybrid, fts5, vector }

    /// A conversation that was found, and what speaks for it.
    struct Hit: Sendable {
        let conversation: Conversation
        var terms: [String] = []
        var lexicalRank: Int?
        var lexicalScore: Double?
        var vectorRank: Int?
        /// Cosine of query and conversation.
        var similarity: Double?
        /// Newness, from 1 for now to 0.
        var recency = 0.0
        /// What it is ranked by.
        var score = 0.0

        var method: Way { lexicalRank == nil ? .vector : vectorRank == nil ? .fts5 : .hybrid }
    }

    struct Found: Sendable {
        let hits: [Hit]
        /// The ways that were taken in the end.
        let way: Way
        /// Why meaning was left out, when it was asked for.
        let withoutVectors: String?
    }

    /// Hits of each kind that are ranked.
    static let depth = 50
    /// The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009, https://doi.org/10.1145/1571941.1572114).
    private static let k = 60.0
    /// What the highest importance adds to a conversation's rank, the lowest takes from it.
    static let weightOfImportance = 0.1
    /// What being new adds.
    static let weightOfRecency = 0.1
    /// Days after which newness has halved.
    static let halfLife = 30.0

    let store: MemoryStore
    let embedding: EmbeddingClient
    let vectors: VectorStoreClient

    /// - Throws: the database's error; 503 when meaning alone is asked for and cannot be had.
    func run(_ text: String, _ filter: MemoryFilter, by way: Way, limit: Int) async throws -> Found {
        async let words = way == .vector ? [] : LexicalSearch(store: store).run(MemoryQuery(text), filter, limit: max(Self.depth, limit))
        async let near = way == .fts5 ? .success([]) : nearest(text, filter, limit: max(Self.depth, limit))
        var hits: [Int64: Hit] = [:]
        for (rank, word) in try await words.enumerated() {
            var hit = Hit(conversation: word.conversation)
            (hit.terms, hit.lexicalRank, hit.lexicalScore) = (word.terms, rank + 1, word.score)
            hits[word.conversation.id] = hit
        }
        var problem: String?
        switch await near {
        case .success(let found):
            for (rank, (conversation, similarity)) in found.enumerated() {
                var hit = hits[conversation.id] ?? Hit(conversation: conversation)
                (hit.vectorRank, hit.similarity) = (rank + 1, similarity)
                hits[conversation.id] = hit
            }
        case .failure(let error):
            guard way == .hybrid else { throw error.asServiceError }
            problem = error.description
        }
        let ranked = hits.values.map(scored).sorted { ($0.score, $0.conversation.id) > ($1.score, $1.conversation.id) }
        return Found(hits: Array(ranked.prefix(limit)), way: problem == nil ? way : .fts5, withoutVectors: problem)
    }

    private func scored(_ hit: Hit) -> Hit {
        var hit = hit
        let moment = MemoryTime.date(hit.conversation.timestamp) ?? .distantPast
        let days = max(0, store.now().timeIntervalSince(moment) / 86_400)
        hit.recency = pow(0.5, days / Self.halfLife)
        let ranks = [hit.lexicalRank, hit.vectorRank].compactMap { $0 }.map { 1 / (Self.k + Double($0)) }.reduce(0, +)
        let importance = Double(hit.conversation.importance - 5) / 5
        // 1 is what stands first in both, when it is neither important nor new.
        hit.score = ranks * (Self.k + 1) / 2 * (1 + Self.weightOfImportance * importance + Self.weightOfRecency * hit.recency)
        return hit
    }

    /// The conversations that are nearest in meaning, or why there is no telling.
    private func nearest(
        _ text: String, _ filter: MemoryFilter, limit: Int
    ) async -> Result<[(Conversation, Double)], UpstreamError> {
        do {
            let vector = try await embedding.embed([text], for: .query, truncate: true).embeddings[0]
            // The store's own filters know less than ours, and what it holds may be a moment old: more are asked for than are needed.
            let points = try await vectors.search(
                vector, in: VectorSync.collection(of: store.project), limit: filter.isOpen ? limit : limit * 10)
            let similarities = points.compactMap { point -> (Int64, Double)? in
                guard case .number(let id) = point.id else { return nil }
                return (Int64(clamping: id), Double(point.score))
            }
            let known = try await store.conversations(similarities.map(\.0), filter)
            return .success(similarities.compactMap { id, similarity in known[id].map { ($0, similarity) } }.prefix(limit).map { $0 })
        } catch let error as UpstreamError where error.status == 404 {
            // Nothing was written yet.
            return .success([])
        } catch let error as UpstreamError {
            return .failure(error)
        } catch {
            return .failure(UpstreamError(service: "memory", message: "\(error)"))
        }
    }
}
