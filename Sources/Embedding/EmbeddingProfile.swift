import Foundation
import SuiteAPI

/// What a model wants done to texts before it sees them.
struct EmbeddingProfile: Sendable {
    let queryPrefix: String
    let passagePrefix: String
    /// Whether Hangul must come decomposed, or the vocabulary does not know it.
    let wantsDecomposed: Bool

    /// E5 was trained with its prefixes (https://arxiv.org/abs/2212.03533, §3); MiniLM's vocabulary holds single jamo.
    static func of(_ model: String) -> EmbeddingProfile {
        let name = model.lowercased()
        if name.contains("e5") { return EmbeddingProfile(queryPrefix: "query: ", passagePrefix: "passage: ", wantsDecomposed: false) }
        return EmbeddingProfile(queryPrefix: "", passagePrefix: "", wantsDecomposed: name.contains("minilm"))
    }

    /// The text as the model is given it. Without a purpose it counts as a passage.
    func prepare(_ text: String, for purpose: EmbeddingPurpose?) -> String {
        let prefix = purpose == .query ? queryPrefix : passagePrefix
        return prefix + (wantsDecomposed ? text.decomposedStringWithCanonicalMapping : text.precomposedStringWithCanonicalMapping)
    }
}
