/// What a text is embedded for. Some models want it said (E5: `query: ` and `passage: `, https://arxiv.org/abs/2212.03533).
public enum EmbeddingPurpose: String, Codable, Sendable, CaseIterable {
    case query, passage
}

/// `POST /embed`.
public struct EmbedRequest: Codable, Sendable {
    public let texts: [String]
    /// What for; `nil` embeds the texts as they are with the model's default prefix.
    public let purpose: EmbeddingPurpose?
    /// Whether texts longer than the model reads are cut (and named in the answer) instead of refused.
    public let truncate: Bool?

    public init(texts: [String], purpose: EmbeddingPurpose? = nil, truncate: Bool? = nil) {
        self.texts = texts
        self.purpose = purpose
        self.truncate = truncate
    }
}

/// The answer of `POST /embed`: one vector for each text, in order.
public struct EmbedResponse: Codable, Sendable {
    public var embeddings: [[Float]] { vectors.map(\.values) }
    private let vectors: [JSONVector]
    public let model: String
    public let dim: Int
    public let normalize: Bool
    /// Indexes of texts that were cut, when cutting was asked for.
    public let truncated: [Int]

    public init(
        embeddings: [[Float]], model: String, dim: Int, normalize: Bool, truncated: [Int] = [], format: VectorFormat = .numbers
    ) {
        vectors = embeddings.map(format.of)
        self.model = model
        self.dim = dim
        self.normalize = normalize
        self.truncated = truncated
    }

    private enum CodingKeys: String, CodingKey {
        case vectors = "embeddings"
        case model, dim, normalize, truncated
    }
}

/// `POST /tokenize` of the embedding service: how long texts are for the model, in its own tokens.
public struct TokenCountRequest: Codable, Sendable {
    public let texts: [String]

    public init(texts: [String]) { self.texts = texts }
}

/// The answer of `POST /tokenize`.
public struct TokenCountResponse: Codable, Sendable {
    /// Tokens of each text, without the ones that the model adds.
    public let counts: [Int]
    /// Tokens a text may have.
    public let limit: Int

    public init(counts: [Int], limit: Int) {
        self.counts = counts
        self.limit = limit
    }
}
