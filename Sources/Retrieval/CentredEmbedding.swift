import Foundation
import ServiceKit
import SuiteAPI

/// Vectors as retrieval stores and searches them: the embedding service's, centred.
///
/// What is common to a language is learnt once for each embedding model, from ``SampleTexts``, and kept in the index database: a question
/// costs no more than its own embedding.
struct CentredEmbedding: Sendable {
    private let client: EmbeddingClient
    private let database: IndexDatabase
    private let known = OncePerModel<Centring>()

    init(client: EmbeddingClient, database: IndexDatabase) {
        self.client = client
        self.database = database
    }

    /// One vector for each text, in order.
    ///
    /// - Parameter languages: the language of each text.
    func vectors(_ texts: [String], in languages: [Language], for purpose: EmbeddingPurpose) async throws -> [[Float]] {
        let answer = try await client.embed(texts, for: purpose)
        let centring = try await centring(for: answer.model)
        return zip(answer.embeddings, languages).map { centring.centred($0, $1, for: purpose) }
    }

    private func centring(for model: String) async throws -> Centring {
        try await known.value(of: model) { [client, database] in
            if let kept = try await database.centring(for: model) { return kept }
            let learnt = try await Self.learn(model, from: client)
            try await database.keep(learnt, for: model)
            return learnt
        }
    }

    private static func learn(_ model: String, from client: EmbeddingClient) async throws -> Centring {
        var samples: [(language: Language, purpose: EmbeddingPurpose, vectors: [[Float]])] = []
        for language in Language.allCases {
            for purpose in EmbeddingPurpose.allCases {
                let answer = try await client.embed(SampleTexts.of(language, for: purpose), for: purpose)
                guard answer.model == model else {
                    throw ServiceError.unavailable("The embedding model is being changed.", code: "model_changing", retryAfter: .seconds(2))
                }
                samples.append((language, purpose, answer.embeddings))
            }
        }
        return Centring(samples: samples)
    }
}
