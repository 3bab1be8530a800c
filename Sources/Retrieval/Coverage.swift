import Foundation

/// How much of a question's words a text holds, each weighted by how rare it is in the collection.
struct Coverage: Sendable {
    private let weights: [(term: QuestionTerms.Term, weight: Double)]
    private let whole: Double

    /// - Parameters:
    ///   - counts: in how many passages of the collection each term stands.
    ///   - total: how many passages the collection has.
    init(of terms: QuestionTerms, counts: [Int], total: Int) {
        weights = zip(terms.all, counts).map { ($0, Self.rarity(count: $1, total: total)) }
        whole = weights.reduce(0) { $0 + $1.weight }
    }

    /// The share of the question that stands in a text, from 0 to 1.
    func share(in content: QuestionTerms.Content) -> Double {
        guard whole > 0 else { return 0 }
        return weights.reduce(0) { $0 + (content.holds($1.term) ? $1.weight : 0) } / whole
    }

    /// Inverse document frequency, as BM25 has it, counted as if ``others`` passages without the word stood beside: in a collection of one
    /// passage a word that is there would else weigh nearly nothing, and only the missing ones would count.
    static func rarity(count: Int, total: Int) -> Double {
        let (count, total) = (Double(count), Double(total + others))
        return log(1 + (total - count + 0.5) / (count + 0.5))
    }

    private static let others = 100
}
