import NIOHTTP1
import ServiceKit

/// Asks the embedding service for vectors.
public struct EmbeddingClient: Sendable {
    private let client: ServiceClient

    public init(_ client: ServiceClient) { self.client = client }

    /// One vector for each text, in order.
    public func embed(_ texts: [String], for purpose: EmbeddingPurpose) async throws -> EmbedResponse {
        let answer: EmbedResponse = try await client.send(.POST, "/embed", body: EmbedRequest(texts: texts, purpose: purpose))
        guard answer.embeddings.count == texts.count else {
            throw UpstreamError(
                service: client.name, status: 200, message: "\(answer.embeddings.count) vectors came for \(texts.count) texts")
        }
        return answer
    }

    /// How many tokens each text has for the model, and how many it reads.
    public func tokenCounts(_ texts: [String]) async throws -> TokenCountResponse {
        try await client.send(.POST, "/tokenize", body: TokenCountRequest(texts: texts))
    }
}
