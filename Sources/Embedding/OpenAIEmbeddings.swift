import ServiceKit
import SuiteAPI

/// `POST /v1/embeddings` (https://platform.openai.com/docs/api-reference/embeddings/create).
struct OpenAIEmbeddingRequest: Decodable, Sendable {
    /// A text or a list of texts. Token ids belong to another model's vocabulary and are refused.
    struct Input: Decodable, Sendable {
        let texts: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                texts = [text]
            } else if let list = try? container.decode([String].self) {
                texts = list
            } else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "send a text or a list of texts; token ids are not understood"))
            }
        }
    }

    let input: Input
    let model: String
    let encoding_format: String?
    let dimensions: Int?

    /// - Throws: 404 for another model, 400 for what this model cannot do.
    func check(model served: String, dimension: Int) throws {
        guard [served, "embedding"].contains(model) else {
            throw ServiceError.notFound("There is no embedding model “\(model)” here; “embedding” is \(served).", code: "model_not_found")
        }
        guard dimensions == nil || dimensions == dimension else {
            throw ServiceError.badRequest("\(served) gives \(dimension) dimensions; they cannot be cut.", parameter: "dimensions")
        }
        guard ["float", "base64", nil].contains(encoding_format) else {
            throw ServiceError.badRequest("encoding_format must be float or base64.", parameter: "encoding_format")
        }
        guard !input.texts.isEmpty else { throw ServiceError.badRequest("input must hold at least one text.", parameter: "input") }
    }
}

/// The answer, with vectors as numbers or as base64 of little-endian 32-bit floats.
struct OpenAIEmbeddingResponse: Encodable, Sendable {
    struct Item: Encodable, Sendable {
        let object = "embedding"
        let index: Int
        let embedding: JSONVector
    }

    let object = "list"
    let data: [Item]
    let model: String
    let usage: Usage

    init(_ result: Embedder.Result, model: String, format: String) {
        data = result.vectors.enumerated().map { index, vector in
            Item(index: index, embedding: format == "base64" ? .base64(vector) : .numbers(vector))
        }
        self.model = model
        usage = Usage(prompt: result.tokens ?? 0)
    }
}
