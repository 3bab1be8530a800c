import SuiteAPI

/// Takes out of an embedding what it has in common with any other text of its language.
///
/// A multilingual model puts all texts into a narrow cone, and each language into a corner of its own: for E5 every cosine lies between
/// 0.75 and 0.9, and the most beside the point Korean passage is nearer to a Korean question than the English passage that answers it.
/// With the mean of the language taken away, a cosine tells of the subject: unrelated texts come near to 0, and languages can be compared
/// (Libovický, Rosa, Fraser 2020, https://arxiv.org/abs/2004.05160; Mu, Viswanath 2018, https://arxiv.org/abs/1702.01417). Questions have
/// a mean of their own, since they differ from passages as a kind.
struct Centring: Sendable, Codable, Equatable {
    /// Changes with the sample texts and with this computation; vectors of another recipe cannot be compared with new ones.
    static let recipe = SampleTexts.recipe

    private let means: [String: [Float]]

    /// - Parameter samples: vectors of some texts of each language, as questions and as passages.
    init(samples: [(language: Language, purpose: EmbeddingPurpose, vectors: [[Float]])]) {
        var means: [String: [Float]] = [:]
        for sample in samples { means[Self.key(sample.language, sample.purpose)] = .mean(sample.vectors.map(\.scaledToOne)) }
        self.means = means
    }

    /// The vector without its language's share, of length 1.
    func centred(_ vector: [Float], _ language: Language, for purpose: EmbeddingPurpose) -> [Float] {
        let vector = vector.scaledToOne
        guard let mean = means[Self.key(language, purpose)], mean.count == vector.count else { return vector }
        return zip(vector, mean).map { $0 - $1 }.scaledToOne
    }

    private static func key(_ language: Language, _ purpose: EmbeddingPurpose) -> String { purpose.rawValue + "." + language.rawValue }
}
