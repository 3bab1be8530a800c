/// Whether what was found can hold the answer. A small model answers anything; so the evidence decides before it is asked.
///
/// The two signs are the cosine of the nearest passage, centred (``Centring``), and the share of the question's rare words in the best two
/// passages. Either may be strong alone: a question in another language shares no word, a keyword has little meaning. A logistic
/// regression on the half of Benchmarks/retrieval/questions.json that is marked `tune`, in whole collections and in collections of one
/// document, gave −4.0 + 10.4 · cosine + 4.0 · coverage; that is cosine + 0.4 · coverage on the scale of the cosine, the weight that the
/// ranking uses too. On that half the most likely off-topic question reaches 0.260 and the next answerable one 0.281: between them lies
/// the bound. Accepting a question too many is the lesser evil, since the model may still say that the documents do not tell.
enum Answerability {
    static func holds(_ found: HybridSearch.Found) -> Bool { !found.passages.isEmpty && evidence(found) >= bound }

    static func evidence(_ found: HybridSearch.Found) -> Double { found.bestCosine + HybridSearch.weightOfWords * found.coverage }

    static let bound = 0.28
}
