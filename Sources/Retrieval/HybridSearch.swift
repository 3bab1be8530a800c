import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// Finds passages by meaning and by words at once, and fuses the two.
struct HybridSearch: Sendable {
    /// What a search found.
    struct Found: Sendable {
        let passages: [IndexDatabase.Stored]
        let scores: [Double]
        /// How near in meaning the nearest passage is: its cosine.
        let bestCosine: Double
        /// How much of the question's rare words the best passages hold, from 0 to 1.
        let coverage: Double
    }

    /// Hits of each kind that take part in the fusion.
    private static let depth = 20

    let database: IndexDatabase
    let embedding: EmbeddingClient
    let vectors: VectorStoreClient

    /// - Throws: 404 when nothing was indexed under this name; 503 when embedding or vectors are away.
    func run(_ question: String, in collection: String, limit: Int) async throws -> Found {
        let terms = QuestionTerms(question)
        async let dense = dense(question, collection)
        async let lexical = lexical(terms, collection)
        let (near, words) = try await (dense, lexical)
        let fused = ReciprocalRankFusion.fuse([(near.map(\.id), 1), (words.map(\.id), 1)])
        let best = Array(fused.prefix(limit))
        let stored = Dictionary(
            try await database.passages(collection, ids: best.map(\.id)).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let kept = best.filter { stored[$0.id] != nil }
        let passages = kept.compactMap { stored[$0.id] }
        return Found(
            passages: passages, scores: kept.map(\.score), bestCosine: near.first?.score ?? 0,
            coverage: try await coverage(terms, passages.prefix(2), collection))
    }

    private func dense(_ question: String, _ collection: String) async throws -> [(id: String, score: Double)] {
        let vector = try await embedding.embed([question], for: .query).embeddings[0]
        do {
            return try await vectors.search(vector, in: collection, limit: Self.depth).map { ($0.id.description, Double($0.score)) }
        } catch let error as UpstreamError where error.status == 404 {
            throw ServiceError.notFound(
                "Nothing was indexed in “\(collection)” yet. Index documents with: maru index PATH", code: "collection_not_found")
        }
    }

    private func lexical(_ terms: QuestionTerms, _ collection: String) async throws -> [IndexDatabase.Stored] {
        guard let expression = terms.expression else { return [] }
        return try await database.matching(expression, in: collection, limit: Self.depth)
    }

    /// The share of the question's terms, each weighted by its rarity (inverse document frequency), that stand in the best passages.
    private func coverage(_ terms: QuestionTerms, _ passages: some Sequence<IndexDatabase.Stored>, _ collection: String) async throws
        -> Double
    {
        guard !terms.all.isEmpty else { return 0 }
        let (counts, total) = try await database.frequencies(terms.all.map(\.expression), in: collection)
        let text = passages.map { [$0.file, $0.heading ?? "", $0.text].joined(separator: "\n") }.joined(separator: "\n")
        let own = QuestionTerms.Content(text)
        var held = 0.0
        var whole = 0.0
        for (term, count) in zip(terms.all, counts) {
            let weight = Rarity.weight(count: count, total: total)
            whole += weight
            if own.holds(term) { held += weight }
        }
        return whole > 0 ? held / whole : 0
    }
}

/// Inverse document frequency, as BM25 has it.
enum Rarity {
    static func weight(count: Int, total: Int) -> Double {
        let (count, total) = (Double(count), Double(total))
        return log(1 + (total - count + 0.5) / (count + 0.5))
    }
}

/// Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009, https://doi.org/10.1145/1571941.1572114), with the paper's k of 60.
enum ReciprocalRankFusion {
    /// - Parameter rankings: ids, best first, with the weight of each ranking.
    static func fuse(_ rankings: [(ids: [String], weight: Double)], k: Double = 60) -> [(id: String, score: Double)] {
        var scores: [String: Double] = [:]
        for ranking in rankings {
            for (rank, id) in ranking.ids.enumerated() { scores[id, default: 0] += ranking.weight / (k + Double(rank) + 1) }
        }
        return scores.map { (id: $0.key, score: $0.value) }.sorted { ($0.score, $1.id) > ($1.score, $0.id) }
    }
}
