import Foundation
import ServiceKit
import SuiteAPI

/// Turns texts into vectors: prepares them for the model, refuses what does not fit, has them embedded, scales the result.
struct Embedder: Sendable {
    /// What came of a call.
    struct Result: Sendable {
        let vectors: [[Float]]
        let truncated: [Int]
        /// Tokens of all texts; `nil` when they were not asked for.
        let tokens: Int?
    }

    /// What a request may hold.
    struct Bounds: Sendable {
        /// Texts of a request (`EMBEDDING_MAX_TEXTS`).
        let texts: Int
        /// Characters of a text (`EMBEDDING_MAX_CHARS`).
        let characters: Int
        /// Texts of a batch (`EMBEDDING_BATCH_SIZE`).
        let batch: Int
    }

    let profile: EmbeddingProfile
    /// Tokens a text may have, prefix and the model's own marks included.
    let tokenLimit: Int
    let bounds: Bounds
    let isNormalizing: Bool
    private let engine: EmbeddingEngine
    private let batcher: EmbeddingBatcher

    init(engine: EmbeddingEngine, profile: EmbeddingProfile, tokenLimit: Int, bounds: Bounds, isNormalizing: Bool) {
        self.engine = engine
        self.profile = profile
        self.tokenLimit = tokenLimit
        self.bounds = bounds
        self.isNormalizing = isNormalizing
        // A batch takes no longer than the longest text would alone: so long do callers wait for the one before theirs.
        batcher = EmbeddingBatcher(
            queue: BatchQueue(maxTexts: bounds.batch, maxTokens: tokenLimit, maxWaiting: 4 * bounds.texts), engine: engine.embed)
    }

    /// - Parameter countingTokens: whether the result says how many tokens the texts have.
    /// - Throws: 413 for too many or too long texts by count and characters, 422 for texts of too many tokens, naming them.
    func embed(_ texts: [String], for purpose: EmbeddingPurpose?, truncate: Bool, countingTokens: Bool = false) async throws -> Result {
        try check(texts)
        var fitting = texts.map { profile.prepare($0, for: purpose) }
        var truncated: [Int] = []
        var tooLong: [Int] = []
        var counts: [Int] = []
        for (index, text) in fitting.enumerated() {
            guard Self.mostTokens(text) > tokenLimit else {
                counts.append(Self.likelyTokens(text))
                continue
            }
            let tokens = try await engine.tokenize(text)
            counts.append(min(tokens.count, tokenLimit))
            guard tokens.count > tokenLimit else { continue }
            if truncate {
                fitting[index] = try await cut(tokens)
                truncated.append(index)
            } else {
                tooLong.append(index)
            }
        }
        guard tooLong.isEmpty else {
            throw ServiceError.invalid(
                "Texts \(tooLong.map(String.init).joined(separator: ", ")) have more than the \(tokenLimit) tokens the model reads. Split them, or send “truncate”: true.",
                parameter: "texts")
        }
        let outcome = try await batcher.embed(fitting, tokens: counts, isQuestion: purpose == .query)
        var tokens: Int?
        if countingTokens {
            // The engine counts batches as a whole; what was together with others' texts is counted by itself.
            var sum = outcome.tokens
            for index in outcome.uncounted { sum += try await engine.tokenize(fitting[index]).count }
            tokens = sum
        }
        return Result(
            vectors: isNormalizing ? outcome.vectors.map(Self.normalized) : outcome.vectors, truncated: truncated, tokens: tokens)
    }

    /// How long texts are in the model's tokens, without prefix and marks.
    ///
    /// - Throws: 413 for too many or too long texts.
    func tokenCounts(_ texts: [String]) async throws -> TokenCountResponse {
        try check(texts)
        let overhead = try await engine.tokenize(profile.prepare("", for: .passage)).count
        var counts: [Int] = []
        for text in texts {
            try Task.checkCancellation()
            counts.append(text.isEmpty ? 0 : max(0, try await engine.tokenize(profile.prepare(text, for: .passage)).count - overhead))
        }
        return TokenCountResponse(counts: counts, limit: tokenLimit - overhead)
    }

    private func check(_ texts: [String]) throws {
        guard texts.count <= bounds.texts else {
            throw ServiceError.tooLarge(
                "\(texts.count) texts came; EMBEDDING_MAX_TEXTS allows \(bounds.texts). Send them in parts.", parameter: "texts")
        }
        if let index = texts.firstIndex(where: { $0.count > bounds.characters }) {
            throw ServiceError.tooLarge(
                "Text \(index) has \(texts[index].count) characters; EMBEDDING_MAX_CHARS allows \(bounds.characters).", parameter: "texts")
        }
    }

    /// Tokens that a text cannot have more of: one for each byte, also of what the tokenizer makes of it first, and the model's own marks.
    /// Most texts need not be counted to know that they fit.
    static func mostTokens(_ text: String) -> Int {
        let bytes = text.utf8.count
        // Only beyond ASCII does compatibility mapping make texts longer, some characters eighteen times.
        guard text.utf8.contains(where: { $0 > 0x7F }) else { return bytes + 4 }
        return max(bytes, text.precomposedStringWithCompatibilityMapping.utf8.count) + 4
    }

    /// Tokens a text will have, for sharing out batches.
    private static func likelyTokens(_ text: String) -> Int { text.utf8.count / 4 + 3 }

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
