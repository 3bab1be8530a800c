import HTTPTypes
import ServiceKit
import SuiteAPI
import Synchronization
import Testing

@testable import Embedding

@Suite("What is done with texts before and after the engine")
struct EmbedderTests {
    /// An engine with a token for every word, and one mark at each end; it says what it was asked.
    private final class WordEngine: Sendable {
        let tokenized = Mutex<[String]>([])
        let embedded = Mutex<[[String]]>([])

        var engine: EmbeddingEngine {
            EmbeddingEngine(
                tokenize: { [self] text in
                    tokenized.withLock { $0.append(text) }
                    return Self.tokens(text)
                },
                detokenize: { $0.map { "w\($0)" }.joined(separator: " ") },
                embed: { [self] texts in
                    embedded.withLock { $0.append(texts) }
                    return .init(values: texts.map { [Float($0.utf8.count), 0] }, tokens: texts.reduce(0) { $0 + Self.tokens($1).count })
                })
        }

        static func tokens(_ text: String) -> [Int] {
            [0] + text.split(separator: " ").map { Int($0.dropFirst()) ?? 1 } + [0]
        }
    }

    private func embedder(
        _ words: WordEngine, model: String = "plain", limit: Int = 20, texts: Int = 4, characters: Int = 200, normalizing: Bool = false
    ) -> Embedder {
        Embedder(
            engine: words.engine, profile: .of(model), tokenLimit: limit,
            bounds: .init(texts: texts, characters: characters, batch: 8), isNormalizing: normalizing)
    }

    @Test("Texts that fit for certain are not tokenized, and usage is right without it")
    func cheap() async throws {
        let words = WordEngine()
        let result = try await embedder(words).embed(["a b c", "", "d"], for: nil, truncate: false, countingTokens: true)
        #expect(result.vectors == [[5, 0], [0, 0], [1, 0]])
        #expect(result.tokens == 5 + 2 + 3)
        #expect(words.tokenized.withLock { $0 }.isEmpty)
        #expect(words.embedded.withLock { $0.count } == 1)
    }

    @Test("A text that may be too long is counted, and refused by its number only when it is")
    func counted() async throws {
        let words = WordEngine()
        let embedder = embedder(words)
        let long = Array(repeating: "aaaa", count: 18).joined(separator: " ")
        _ = try await embedder.embed([long], for: nil, truncate: false)
        #expect(words.tokenized.withLock { $0 } == [long])
        let error = await #expect(throws: ServiceError.self) {
            try await embedder.embed(["x", long + " b", long + " c"], for: nil, truncate: false)
        }
        #expect(error?.status == .unprocessableContent && error?.message.contains("1, 2") == true)
    }

    @Test("A text that is cut is named, and counts with the tokens that are left")
    func truncated() async throws {
        let words = WordEngine()
        let long = (1...30).map { "w\($0)" }.joined(separator: " ")
        let result = try await embedder(words).embed(["a", long], for: nil, truncate: true, countingTokens: true)
        #expect(result.truncated == [1])
        let cut = (1...18).map { "w\($0)" }.joined(separator: " ")
        #expect(words.embedded.withLock { $0.flatMap(\.self) }.contains(cut))
        #expect(result.tokens == 3 + 20)
    }

    @Test("Too many texts and too many characters are refused by the name of the setting, also where tokens are counted")
    func bounds() async throws {
        let words = WordEngine()
        let embedder = embedder(words)
        let many = Array(repeating: "a", count: 5)
        let long = String(repeating: "a", count: 201)
        for (texts, setting) in [(many, "EMBEDDING_MAX_TEXTS"), ([long], "EMBEDDING_MAX_CHARS")] {
            let first = await #expect(throws: ServiceError.self) { try await embedder.embed(texts, for: nil, truncate: true) }
            let second = await #expect(throws: ServiceError.self) { try await embedder.tokenCounts(texts) }
            for error in [first, second] { #expect(error?.status == .contentTooLarge && error?.message.contains(setting) == true) }
        }
        #expect(words.tokenized.withLock { $0 }.isEmpty)
        // Characters are what people see: a flag is one of eight bytes.
        _ = try await embedder.tokenCounts([String(repeating: "🇰🇷", count: 200)])
    }

    @Test("Token counts are without prefix and marks")
    func tokenCounts() async throws {
        let counts = try await embedder(WordEngine(), model: "e5").tokenCounts(["a b", "", "c"])
        // “passage:” and two marks.
        #expect(counts.counts == [2, 0, 1] && counts.limit == 17)
    }

    @Test("No text has more tokens than it is believed to have at the most")
    func mostTokens() {
        #expect(Embedder.mostTokens("abc") == 7)
        #expect(Embedder.mostTokens("가") == 7)
        // One character of three bytes that stands for eighteen.
        #expect(Embedder.mostTokens("\u{FDFA}") >= 18 + 4)
    }

    @Test("Vectors are scaled where that is asked for")
    func normalizing() async throws {
        let result = try await embedder(WordEngine(), normalizing: true).embed(["abc"], for: nil, truncate: false)
        #expect(result.vectors == [[1, 0]] && result.tokens == nil)
    }
}
