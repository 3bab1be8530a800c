import Foundation
import Inference
import NIOHTTP1
import ServiceKit

/// The talk with the engine: tokens and vectors.
struct EmbeddingEngine: Sendable {
    /// Texts of one call to the engine. On a CPU small calls are as fast as large ones, and let other callers in between.
    static let batch = 8

    let process: EngineProcess
    let name: String

    /// Token ids of a text, those that the model adds included.
    func tokenize(_ text: String) async throws -> [Int] {
        struct Body: Encodable {
            let content: String
            let add_special = true
        }
        struct Answer: Decodable { let tokens: [Int] }
        let answer: Answer = try await client().send(.POST, "/tokenize", body: Body(content: text))
        return answer.tokens
    }

    /// The text of some tokens.
    func detokenize(_ tokens: [Int]) async throws -> String {
        struct Answer: Decodable { let content: String }
        let answer: Answer = try await client().send(.POST, "/detokenize", body: ["tokens": tokens])
        return answer.content
    }

    /// Vectors of texts that are known to fit, in order.
    func embed(_ texts: [String]) async throws -> [[Float]] {
        struct Body: Encodable { let input: [String] }
        struct Answer: Decodable {
            struct Item: Decodable {
                let index: Int
                let embedding: [Float]
            }
            let data: [Item]
        }
        let client = try await client()
        var vectors: [[Float]] = []
        for start in stride(from: 0, to: texts.count, by: Self.batch) {
            let part = Array(texts[start..<min(start + Self.batch, texts.count)])
            let answer: Answer = try await client.send(.POST, "/v1/embeddings", body: Body(input: part))
            let ordered = answer.data.sorted { $0.index < $1.index }.map(\.embedding)
            guard ordered.count == part.count, ordered.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
                throw UpstreamError(
                    service: name, status: 200, message: "the engine gave \(ordered.count) usable vectors for \(part.count) texts")
            }
            vectors += ordered
        }
        return vectors
    }

    /// - Throws: 503 while the engine is not ready.
    private func client() async throws -> ServiceClient {
        guard let endpoint = await process.endpoint() else {
            throw ServiceError.unavailable("The embedding model is loading.", code: "model_loading", retryAfter: .seconds(2))
        }
        return ServiceClient(name: name, baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(120))
    }
}
