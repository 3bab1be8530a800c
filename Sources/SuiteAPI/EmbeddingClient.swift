import NIOHTTP1
import ServiceKit

/// Asks the embedding service for vectors.
public struct EmbeddingClient: Sendable {
    private let client: ServiceClient
    private let characters: Int

    /// - Parameter characters: what the service takes of a text (`EMBEDDING_MAX_CHARS`); it refuses more, whatever may be cut.
    public init(_ client: ServiceClient, characters: Int = .max) { (self.client, self.characters) = (client, characters) }

    /// One vector for each text, in order.
    ///
    /// - Parameter truncate: whether a text that is longer than the model reads is embedded by its beginning instead of refused.
    public func embed(_ texts: [String], for purpose: EmbeddingPurpose, truncate: Bool = false) async throws -> EmbedResponse {
        let texts = truncate ? texts.map { String($0.prefix(characters)) } : texts
        let answer: EmbedResponse = try await client.send(
            .POST, "/embed", body: EmbedRequest(texts: texts, purpose: purpose, truncate: truncate), headers: [VectorFormat.preference])
        guard answer.embeddings.count == texts.count else {
            throw UpstreamError(
                service: client.name, status: 200, message: "\(answer.embeddings.count) vectors came for \(texts.count) texts")
        }
        return answer
    }

    /// How many tokens each of any number of texts has for the model. Each call keeps to what the service takes at once; a text longer
    /// than it takes is counted in pieces, whose sum may be a token more for each.
    ///
    /// - Parameters:
    ///   - count: texts of a call at the most.
    ///   - characters: of a text at the most.
    public func tokenCounts(_ texts: [String], atMost count: Int, of characters: Int) async throws -> [Int] {
        var pieces: [(text: Int, piece: String)] = []
        for (index, text) in texts.enumerated() {
            var rest = text[...]
            repeat {
                pieces.append((index, String(rest.prefix(characters))))
                rest = rest.dropFirst(characters)
            } while !rest.isEmpty
        }
        var counts = [Int](repeating: 0, count: texts.count)
        for start in stride(from: 0, to: pieces.count, by: count) {
            let part = pieces[start..<min(start + count, pieces.count)]
            for (piece, tokens) in zip(part, try await tokenCounts(part.map(\.piece)).counts) { counts[piece.text] += tokens }
        }
        return counts
    }

    /// How many tokens each text has for the model, and how many it reads.
    public func tokenCounts(_ texts: [String]) async throws -> TokenCountResponse {
        try await client.send(.POST, "/tokenize", body: TokenCountRequest(texts: texts))
    }
}
