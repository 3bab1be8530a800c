import Foundation
import ServiceKit
import SuiteAPI
import SystemPackage

/// Makes vectors of questions. What it takes to compare them is learnt once for each embedding model and kept in
/// `DATA_DIR/memory/meaning.json`, so that a question costs no more than its own embedding.
struct Meaning: Sendable {
    private struct Kept: Codable {
        let model: String
        let recipe: Int
        let scale: MeaningScale
    }

    private let client: EmbeddingClient
    private let path: FilePath
    private let known = OncePerModel<MeaningScale>()

    /// - Parameter folder: `DATA_DIR/memory`.
    init(_ client: EmbeddingClient, folder: FilePath) {
        self.client = client
        path = folder.appending("meaning.json")
    }

    /// - Parameter model: that made the vectors which the question is compared with; `nil`: whichever.
    /// - Throws: ``UpstreamError`` when the embedding service cannot do it, or serves another model.
    func question(
        _ text: String, for model: @escaping @Sendable () async throws -> String?
    ) async throws -> (question: MeaningScale.Question, scale: MeaningScale) {
        async let wanted = model()
        let answer = try await client.embed([text], for: .query, truncate: true)
        if let model = try await wanted, model != answer.model {
            throw UpstreamError(
                service: "embedding", status: 503, message: "the vectors are of \(model) and are being made anew with \(answer.model)")
        }
        let scale = try await scale(of: answer.model)
        return (scale.question(answer.embeddings[0], Language(of: text)), scale)
    }

    /// Learns about a model what is not known yet, so that no question has to wait for it.
    func prepare(for model: String) async throws { _ = try await scale(of: model) }

    private func scale(of model: String) async throws -> MeaningScale {
        try await known.value(of: model) { [client, path] in
            if let kept = try? await offPool({ try JSONDecoder().decode(Kept.self, from: Data(contentsOf: URL(filePath: path.string))) }),
                kept.model == model, kept.recipe == MeaningScale.recipe
            {
                return kept.scale
            }
            let scale = try await Self.learn(model, from: client)
            let kept = Kept(model: model, recipe: MeaningScale.recipe, scale: scale)
            // What cannot be kept is learnt again after the next start.
            try? await offPool { try JSONEncoder.sorted.encode(kept).write(to: URL(filePath: path.string), options: .atomic) }
            return scale
        }
    }

    private static func learn(_ model: String, from client: EmbeddingClient) async throws -> MeaningScale {
        var samples: [Language: (questions: [[Float]], conversations: [[Float]])] = [:]
        for language in Language.allCases {
            let (questions, passages) = (SampleTexts.of(language, for: .query), SampleTexts.of(language, for: .passage))
            let asked = try await client.embed(questions, for: .query)
            let told = try await client.embed(zip(questions, passages).map(VectorSync.text), for: .passage)
            guard asked.model == model, told.model == model else {
                throw UpstreamError(service: "embedding", status: 503, message: "the embedding model is being changed")
            }
            samples[language] = (asked.embeddings, told.embeddings)
        }
        return MeaningScale(samples)
    }
}
