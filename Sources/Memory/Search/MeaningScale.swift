import SuiteAPI

/// What makes cosines of an embedding model comparable, learnt from ``SampleTexts``.
///
/// A multilingual model puts all texts into a narrow cone, and each language into a corner of its own (for E5 every cosine lies between 0.7
/// and 0.95). What all questions of a language have in common is taken out of a question, and with it the direction in which the languages
/// differ. Conversations stay in the vector store as the model gave them: what they have in common is the same for all of them then, and is
/// taken off the cosine. So conversations in both languages are compared by their subject, whatever store holds them, and no vector has
/// to be written anew. Figures are in Benchmarks/memory/README.md.
struct MeaningScale: Sendable, Codable {
    /// Changes with the sample texts, with how conversations are embedded, and with this computation.
    static let recipe = SampleTexts.recipe * 100 + 1

    /// The means of questions and of conversations, by language.
    private let questions: [String: [Float]]
    private let centre: [Float]
    /// From one language to the other.
    private let between: [Float]
    /// How far a conversation is from the mean of its language, on the average.
    private let spread: Float

    /// - Parameter samples: vectors of questions and of conversations about the same subjects, by language.
    init(_ samples: [Language: (questions: [[Float]], conversations: [[Float]])]) {
        questions = samples.reduce(into: [:]) { $0[$1.key.rawValue] = .mean($1.value.questions.map(\.scaledToOne)) }
        let means = samples.mapValues { [Float].mean($0.conversations.map(\.scaledToOne)) }
        centre = .mean(Array(means.values))
        between = zip(means[.korean] ?? [], means[.english] ?? []).map { $0 - $1 }.scaledToOne
        let distances = samples.flatMap { language, vectors in
            vectors.conversations.map { vector in
                let rest = zip(vector.scaledToOne, means[language] ?? []).map { $0 - $1 }
                return rest.dot(rest).squareRoot()
            }
        }
        spread = max(distances.reduce(0, +) / Float(max(1, distances.count)), 0.01)
    }

    /// A question as the store is asked for it.
    struct Question: Sendable {
        let vector: [Float]
        fileprivate let common: Float
        fileprivate let spread: Float

        /// What a cosine of the store says: about 0 for a conversation beside the point, 1 for one that says the same.
        func similarity(_ cosine: Float) -> Double { Double(min((cosine - common) / spread, 1)) }
    }

    func question(_ vector: [Float], _ language: Language) -> Question {
        let mean = questions[language.rawValue] ?? []
        guard mean.count == vector.count else { return Question(vector: vector, common: 0, spread: 1) }
        let bare = withoutLanguage(zip(vector.scaledToOne, mean).map { $0 - $1 }).scaledToOne
        return Question(vector: bare, common: bare.dot(centre), spread: spread)
    }

    /// How near two conversations are to each other: about 0 when they have nothing in common, 1 when they say the same.
    func similarity(_ one: [Float], _ other: [Float]) -> Double { Double(bare(one).dot(bare(other))) }

    private func bare(_ conversation: [Float]) -> [Float] {
        guard centre.count == conversation.count else { return conversation.scaledToOne }
        return withoutLanguage(zip(conversation.scaledToOne, centre).map { $0 - $1 }).scaledToOne
    }

    private func withoutLanguage(_ vector: [Float]) -> [Float] {
        let share = vector.dot(between)
        return zip(vector, between).map { $0 - share * $1 }
    }
}
