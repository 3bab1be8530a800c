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
        /// BM25 of the question's words, from 0 to 1.
        var words: Double?
        var vectorRank: Int?
        /// How near it is to the question in meaning: about 0 for what is beside the point, 1 for what says the same.
        var similarity: Double?
        /// What stands for the similarity of one whose vector is not in the store yet.
        var assumedSimilarity: Double?
        /// Newness, from 1 for now to 0.
        var recency = 0.0
        /// What it is ranked by.
        var score = 0.0
        /// Conversations about the same, found too, that it stands before because it is newer.
        var newerThan: [Int64] = []

        var method: Way { lexicalRank == nil ? .vector : vectorRank == nil ? .fts5 : .hybrid }
        /// How well it fits the question, whatever its age and importance.
        var evidence: Double { (similarity ?? assumedSimilarity ?? 0) + HybridSearch.weightOfWords * (words ?? 0) }
    }

    struct Found: Sendable {
        let hits: [Hit]
        /// The ways that were taken in the end.
        let way: Way
        /// Why meaning was left out, when it was asked for.
        let withoutVectors: String?
    }

    /// Hits of each kind that are ranked.
    static let depth = 30
    /// Hits that are asked of the vector store at the most: it gives no more.
    private static let deepest = 10_000
    /// How many times as many hits are asked of it at the most for the sake of a filter.
    private static let mostFiltered = 5
    /// What a conversation that says nothing but the question's words gains, in similarity. A sum ranks better than ranks alone (reciprocal
    /// rank fusion) do, as Bruch, Gai and Ingber found (2023, https://doi.org/10.1145/3596512): it knows how good the best hit is. Figures are
    /// in Benchmarks/memory/README.md.
    static let weightOfWords = 0.4
    /// What the highest importance adds, the lowest takes: it decides between equals, no more. Of what is about the same the newer comes
    /// first all the same (``Succession``).
    static let weightOfImportance = 0.01
    /// What being new adds.
    static let weightOfRecency = 0.01
    /// Days after which newness has halved.
    static let halfLife = 30.0

    let store: MemoryStore
    let meaning: Meaning
    let vectors: VectorStoreClient

    private var collection: String { VectorSync.collection(of: store.project) }

    /// Finds by words what meaning was asked for and cannot be had.
    ///
    /// - Throws: the database's error.
    func run(_ text: String, _ filter: MemoryFilter, by way: Way, limit: Int) async throws -> Found {
        let depth = min(max(Self.depth, limit), Self.deepest)
        async let asked = way == .fts5 ? nil : meaning.question(text, for: store.embeddingModel)
        let reach = try await store.reach(of: filter)
        async let words =
            way == .vector ? [] : LexicalSearch(store: store).run(MemoryQuery(text), filter, reach, limit: depth)
        var hits: [Int64: Hit] = [:]
        for (rank, word) in try await words.enumerated() {
            var hit = Hit(conversation: word.conversation)
            (hit.terms, hit.lexicalRank, hit.words) = (word.terms, rank + 1, word.score)
            hits[word.conversation.id] = hit
        }
        do {
            guard let (question, scale) = try await asked else { return Found(hits: ranked(hits, limit), way: way, withoutVectors: nil) }
            var compared = hits
            try await compare(&compared, with: question, filter, reach, depth)
            let best = try await Succession(scale: scale, vectors: vectors, collection: collection).ordered(ranked(compared, limit))
            return Found(hits: best, way: way, withoutVectors: nil)
        } catch let error as UpstreamError {
            let byWords = way == .vector ? try await run(text, filter, by: .fts5, limit: limit).hits : ranked(hits, limit)
            return Found(hits: byWords, way: .fts5, withoutVectors: error.description)
        }
    }

    private func ranked(_ hits: [Int64: Hit], _ limit: Int) -> [Hit] {
        Array(hits.values.map(scored).sorted { ($0.score, $0.conversation.id) > ($1.score, $1.conversation.id) }.prefix(limit))
    }

    private func scored(_ hit: Hit) -> Hit {
        var hit = hit
        let moment = MemoryTime.date(hit.conversation.timestamp) ?? .distantPast
        let days = max(0, store.now().timeIntervalSince(moment) / 86_400)
        hit.recency = pow(0.5, days / Self.halfLife)
        let importance = Double(hit.conversation.importance - 5) / 5
        hit.score = hit.evidence + Self.weightOfImportance * importance + Self.weightOfRecency * hit.recency
        return hit
    }

    /// Adds what is nearest in meaning, and how near that is which the words found.
    ///
    /// - Throws: ``UpstreamError`` when the store cannot tell.
    private func compare(
        _ hits: inout [Int64: Hit], with question: MeaningScale.Question, _ filter: MemoryFilter, _ reach: MemoryReach, _ depth: Int
    ) async throws {
        let named = hits.values.sorted { ($0.lexicalRank ?? 0) < ($1.lexicalRank ?? 0) }.prefix(depth).map(\.conversation.id)
        // The store's own filters know less than ours, and what it holds may be a moment old: as many are asked for as should do.
        let most = filter.isOpen ? depth : min(depth * Self.mostFiltered, Self.deepest)
        let enough = reach.few?.count ?? min(Int(Double(depth) / reach.share * 1.25), most)
        let found = try await points(question, [Asked(among: named, limit: named.count), Asked(among: reach.few, limit: enough)])
        for (id, similarity) in found[0] { hits[id]?.similarity = similarity }
        var near = try await passing(found[1], filter, depth)
        // Of what is near fewer may pass than of all others.
        if near.count < depth, reach.few == nil, enough < most, found[1].count == enough {
            near = try await passing(points(question, [Asked(among: nil, limit: most)])[0], filter, depth)
        }
        for (rank, (conversation, similarity)) in near.enumerated() {
            var hit = hits[conversation.id] ?? Hit(conversation: conversation)
            (hit.vectorRank, hit.similarity) = (rank + 1, similarity)
            hits[conversation.id] = hit
        }
        // What has no vector yet is taken to be no nearer than the last that was found.
        let least = near.last?.1 ?? 0
        for (id, hit) in hits where hit.similarity == nil { hits[id]?.assumedSimilarity = least }
    }

    private typealias Near = (id: Int64, similarity: Double)

    /// The conversations of points that a filter lets through, the nearest first.
    private func passing(_ points: [Near], _ filter: MemoryFilter, _ depth: Int) async throws -> [(Conversation, Double)] {
        let known = try await store.conversations(points.map(\.id), filter, limit: depth)
        return points.compactMap { id, similarity in known[id].map { ($0, similarity) } }
    }

    private struct Asked {
        /// Those that are compared; `nil`: all.
        let among: [Int64]?
        let limit: Int
    }

    /// Points of the store, the nearest first, for each thing asked.
    private func points(_ question: MeaningScale.Question, _ asked: [Asked]) async throws -> [[Near]] {
        let searches = asked.filter { $0.limit > 0 }.map { asked in
            VectorStoreClient.Search(
                question.vector, limit: asked.limit, among: asked.among?.map { .number(UInt64($0)) }, payload: false)
        }
        var answer = try await ask(searches)
        // Nothing was written yet; or it was, and is gone; or it is there since a moment ago.
        if answer == nil, try await store.embeddingModel() != nil {
            answer = try await ask(searches)
            if answer == nil {
                throw UpstreamError(service: "qdrant", status: 503, message: "the vectors are gone and are being made anew")
            }
        }
        guard var found = answer else { return asked.map { _ in [] } }
        return asked.map { asked in
            guard asked.limit > 0 else { return [] }
            return found.removeFirst().compactMap { point in
                guard case .number(let id) = point.id else { return nil }
                return (Int64(clamping: id), question.similarity(point.score))
            }
        }
    }

    /// What the store finds; `nil` when there is no collection.
    private func ask(_ searches: [VectorStoreClient.Search]) async throws -> [[ScoredPoint]]? {
        guard !searches.isEmpty else { return [] }
        do {
            return try await vectors.search(searches, in: collection)
        } catch let error as UpstreamError where error.status == 404 {
            return nil
        }
    }
}
