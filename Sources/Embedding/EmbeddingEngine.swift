import Foundation
import Inference
import NIOHTTP1
import ServiceKit
import SuiteAPI

/// What an engine does for the embedder.
struct EmbeddingEngine: Sendable {
    /// Vectors of a batch.
    struct Vectors: Sendable {
        /// One for each text, in order.
        let values: [[Float]]
        /// Tokens of all texts together.
        let tokens: Int
    }

    /// Token ids of a text, those that the model adds included.
    let tokenize: @Sendable (String) async throws -> [Int]
    /// The text of some tokens.
    let detokenize: @Sendable ([Int]) async throws -> String
    /// Vectors of texts that are known to fit.
    let embed: @Sendable ([String]) async throws -> Vectors
}

extension EmbeddingEngine {
    /// The talk with a process that runs a model.
    ///
    /// - Parameters:
    ///   - name: who is to blame in errors.
    ///   - dimension: components a vector must have.
    static func running(_ process: EngineProcess, model: EngineConfiguration, name: String, dimension: Int) -> EmbeddingEngine {
        /// - Throws: 503 while the engine is not ready with this very model.
        @Sendable func client() async throws -> ServiceClient {
            guard let endpoint = await process.endpoint(of: model) else {
                throw ServiceError.unavailable("The embedding model is loading.", code: "model_loading", retryAfter: .seconds(2))
            }
            return ServiceClient(name: name, baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(120))
        }
        return EmbeddingEngine(
            tokenize: { text in
                let answer: Tokens = try await client().send(.POST, "/tokenize", body: TextToTokenize(content: text))
                return answer.tokens
            },
            detokenize: { tokens in
                let answer: Text = try await client().send(.POST, "/detokenize", body: Tokens(tokens: tokens))
                return answer.content
            },
            embed: { texts in
                let answer: Embeddings = try await client().send(.POST, "/v1/embeddings", body: Input(input: texts))
                let ordered = answer.data.sorted { $0.index < $1.index }.map(\.embedding.values)
                guard ordered.count == texts.count, ordered.allSatisfy({ $0.count == dimension && $0.allSatisfy(\.isFinite) }) else {
                    throw UpstreamError(
                        service: name, status: 200,
                        message: "the engine gave no \(texts.count) usable vectors of \(dimension) components")
                }
                return Vectors(values: ordered, tokens: answer.usage.prompt_tokens)
            })
    }

    // llama-server's bodies.
    private struct TextToTokenize: Encodable {
        let content: String
        let add_special = true
    }
    private struct Tokens: Codable { let tokens: [Int] }
    private struct Text: Decodable { let content: String }
    private struct Input: Encodable {
        let input: [String]
        let encoding_format = "base64"
    }
    private struct Embeddings: Decodable {
        struct Item: Decodable {
            let index: Int
            let embedding: JSONVector
        }
        struct Usage: Decodable { let prompt_tokens: Int }
        let data: [Item]
        let usage: Usage
    }
}
