import SuiteAPI

/// Puts what is newer before what it takes the place of. “The stand-up is at half past nine now” answers the question when the stand-up is, but
/// fits its words less than “The stand-up is at ten”, which was said before: so of two conversations about the same the newer comes first,
/// as long as it fits not much less.
struct Succession: Sendable {
    /// The best hits, which are compared with each other.
    private static let window = 10
    /// From this similarity on two conversations are about the same. Of pairs in Benchmarks/memory one in two hundred comes to 0.42 without
    /// being so; most that replace each other lie above 0.56.
    static let likeness = 0.55
    /// How much less, in score, the newer one may fit.
    static let latitude = 0.45
    /// By how much it is put before the older one.
    private static let step = 0.0001

    let scale: MeaningScale
    let vectors: VectorStoreClient
    let collection: String

    /// - Parameter hits: the best first.
    func ordered(_ hits: [HybridSearch.Hit]) async throws -> [HybridSearch.Hit] {
        let window = hits.prefix(Self.window).filter { $0.similarity != nil }
        guard window.count > 1 else { return hits }
        let found = try await vectors.vectors(of: window.map { .number(UInt64($0.conversation.id)) }, in: collection)
        var vectors: [Int64: [Float]] = [:]
        for (id, vector) in found { if case .number(let number) = id { vectors[Int64(clamping: number)] = vector } }
        return Self.ordered(hits) { one, other in
            guard let one = vectors[one], let other = vectors[other] else { return 0 }
            return scale.similarity(one, other)
        }
    }

    /// - Parameter similarity: of two conversations, by number.
    static func ordered(_ hits: [HybridSearch.Hit], _ similarity: (Int64, Int64) -> Double) -> [HybridSearch.Hit] {
        let window = hits.prefix(Self.window).sorted { $0.conversation.timestamp < $1.conversation.timestamp }
        var raised = window
        for older in raised.indices {
            // Only the newest goes before it: what was said of the same in between takes no place from it.
            let successor = raised.indices.dropFirst(older + 1).last { newer in
                window[newer].conversation.timestamp > window[older].conversation.timestamp
                    && raised[older].score - window[newer].score <= latitude
                    && similarity(window[older].conversation.id, window[newer].conversation.id) >= likeness
            }
            guard let successor, raised[successor].score <= raised[older].score else { continue }
            raised[successor].score = raised[older].score + step
            raised[successor].newerThan.append(window[older].conversation.id)
        }
        return (raised + hits.dropFirst(Self.window)).sorted { ($0.score, $0.conversation.id) > ($1.score, $1.conversation.id) }
    }
}
