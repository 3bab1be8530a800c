import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// Finds passages by meaning and by words at once, and ranks them by both.
struct HybridSearch: Sendable {
    /// What a search found.
    struct Found: Sendable {
        let passages: [IndexDatabase.Stored]
        let scores: [Double]
        /// How near in meaning the nearest passage is: its centred cosine.
        let bestCosine: Double
        /// How much of the question's rare words the best two passages hold together, from 0 to 1.
        let coverage: Double
    }

    /// Hits of each kind that are ranked.
    private static let depth = 20
    /// What a passage that holds all words of the question gains, in cosine. A sum ranks better here than ranks alone (reciprocal rank
    /// fusion) do, as Bruch, Gai and Ingber found (2023, https://doi.org/10.1145/3596512): it knows how good the best hit is. Less finds
    /// more across languages, more within one; figures in Benchmarks/retrieval/README.md.
    static let weightOfWords = 0.4

    let database: IndexDatabase
    let embedding: CentredEmbedding
    let vectors: VectorStoreClient

    /// - Throws: 404 when nothing was indexed under this name; 503 when embedding or vectors are away.
    func run(_ question: String, in collection: String, limit: Int) async throws -> Found {
        let terms = QuestionTerms(question)
        async let dense = dense(question, collection, limit)
        async let lexical = lexical(terms, collection, limit)
        async let frequencies = database.frequencies(terms.all.map(\.expression), in: collection)
        let (near, words, (counts, total)) = try await (dense, lexical, frequencies)
        let coverage = Coverage(of: terms, counts: counts, total: total)
        let cosines = Dictionary(near, uniquingKeysWith: { first, _ in first })
        // What only the words found is no nearer than the last that the vectors found.
        let least = near.last?.1 ?? 0
        let known = Set(words.map(\.id))
        let candidates = words + (try await database.passages(collection, ids: near.map(\.0).filter { !known.contains($0) }))
        let ranked = candidates.map { passage in
            let content = QuestionTerms.Content(passage.searchedText)
            let score = (cosines[passage.id] ?? least) + Self.weightOfWords * coverage.share(in: content)
            return (passage: passage, score: score)
        }.sorted { ($0.score, $1.passage.id) > ($1.score, $0.passage.id) }
        let best = ranked.prefix(2).map(\.passage.searchedText).joined(separator: "\n")
        return Found(
            passages: ranked.prefix(limit).map(\.passage), scores: ranked.prefix(limit).map(\.score), bestCosine: near.first?.1 ?? 0,
            coverage: coverage.share(in: QuestionTerms.Content(best)))
    }

    private func dense(_ question: String, _ collection: String, _ limit: Int) async throws -> [(String, Double)] {
        let vector = try await embedding.vectors([question], in: [Language(of: question)], for: .query)[0]
        do {
            return try await vectors.search(VectorStoreClient.Search(vector, limit: max(Self.depth, limit)), in: collection).map {
                ($0.id.description, Double($0.score))
            }
        } catch let error as UpstreamError where error.status == 404 {
            throw ServiceError.notFound(
                "Nothing was indexed in “\(collection)” yet. Index documents with: maru index PATH", code: "collection_not_found")
        }
    }

    private func lexical(_ terms: QuestionTerms, _ collection: String, _ limit: Int) async throws -> [IndexDatabase.Stored] {
        guard let expression = terms.expression else { return [] }
        return try await database.matching(expression, in: collection, limit: max(Self.depth, limit))
    }
}
