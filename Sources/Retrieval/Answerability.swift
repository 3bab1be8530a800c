/// Whether what was found can hold the answer. A small model answers anything; so the evidence decides before it is asked.
///
/// The two signs are the cosine of the nearest passage, which for E5 lies between 0.75 and 0.9 whatever the text, and the share of the
/// question's rare words in the best passages. Either may be strong alone (a question in another language shares no word; a keyword
/// has little meaning); weak together they are no evidence. The bounds come from `maru eval retrieval`.
enum Answerability {
    static func holds(_ found: HybridSearch.Found) -> Bool {
        guard !found.passages.isEmpty else { return false }
        return score(found) >= bound
    }

    /// Cosine above its floor and coverage, on one scale.
    static func score(_ found: HybridSearch.Found) -> Double { (found.bestCosine - 0.80) * 8 + found.coverage }

    static let bound = 0.75
}
