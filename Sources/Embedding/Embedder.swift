import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// Turns texts into vectors: prepares them for the model, refuses what does not fit, asks the engine, scales the result.
struct Embedder: Sendable {
    /// What came of a call.
    struct Result: Sendable {
        let vectors: [[Float]]
        let tokens: Int
        let truncated: [Int]
    }

    let engine: EmbeddingEngine
    let profile: EmbeddingProfile
    /// Tokens a text may have, prefix and the model's own marks included.
    let tokenLimit: Int
    let maxTexts: Int
    let maxChars: Int
    let isNormalizing: Bool
    private let queue = EmbeddingQueue()

    /// - Throws: 413 for too many or too long texts by count and characters, 422 for texts of too many tokens, naming them.
    func embed(_ texts: [String], for purpose: EmbeddingPurpose?, truncate: Bool) async throws -> Result {
        guard texts.count <= maxTexts else {
            throw ServiceError.tooLarge(
                "\(texts.count) texts came; EMBEDDING_MAX_TEXTS allows \(maxTexts). Send them in parts.", parameter: "texts")
        }
        if let index = texts.firstIndex(where: { $0.count > maxChars }) {
            throw ServiceError.tooLarge(
                "Text \(index) has \(texts[index].count) characters; EMBEDDING_MAX_CHARS allows \(maxChars).", parameter: "texts")
        }
        let prepared = texts.map { profile.prepare($0, for: purpose) }
        return try await queue.run {
            var fitting: [String] = []
            var counts: [Int] = []
            var truncated: [Int] = []
            var tooLong: [Int] = []
            for (index, text) in prepared.enumerated() {
                let tokens = try await engine.tokenize(text)
                if tokens.count <= tokenLimit {
                    fitting.append(text)
                } else if truncate {
                    fitting.append(try await cut(tokens))
                    truncated.append(index)
                } else {
                    tooLong.append(index)
                }
                counts.append(min(tokens.count, tokenLimit))
            }
            guard tooLong.isEmpty else {
                throw ServiceError.invalid(
                    "Texts \(tooLong.map(String.init).joined(separator: ", ")) have more than the \(tokenLimit) tokens the model reads. Split them, or send “truncate”: true.",
                    parameter: "texts")
            }
            let vectors = try await engine.embed(fitting)
            return Result(
                vectors: isNormalizing ? vectors.map(Self.normalized) : vectors, tokens: counts.reduce(0, +), truncated: truncated)
        }
    }

    /// How long texts are in the model's tokens, without prefix and marks.
    func tokenCounts(_ texts: [String]) async throws -> TokenCountResponse {
        let overhead = try await engine.tokenize(profile.prepare("", for: .passage)).count
        var counts: [Int] = []
        for text in texts { counts.append(max(0, try await engine.tokenize(profile.prepare(text, for: .passage)).count - overhead)) }
        return TokenCountResponse(counts: counts, limit: tokenLimit - overhead)
    }

    /// The longest beginning of a text that fits, cut between tokens; the model's own marks at both ends come anew.
    private func cut(_ tokens: [Int]) async throws -> String {
        var length = tokenLimit - 1
        while true {
            let text = try await engine.detokenize(Array(tokens[1..<length]))
            if try await engine.tokenize(text).count <= tokenLimit { return text }
            length -= 1
        }
    }

    static func normalized(_ vector: [Float]) -> [Float] {
        let length = vector.reduce(into: Float(0)) { $0 += $1 * $1 }.squareRoot()
        return length > 0 ? vector.map { $0 / length } : vector
    }
}
