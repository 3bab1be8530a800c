import Foundation
import Inference
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Embedding

// One at a time: each engine takes whole cores.
@Suite("The embedding service with its engine and model", .serialized, .enabled(if: RealEmbedding.isThere, RealEmbedding.need))
struct EmbeddingServiceTests {
    private func cosine(_ left: [Float], _ right: [Float]) -> Float { zip(left, right).reduce(0) { $0 + $1.0 * $1.1 } }

    private struct OpenAIRequest<Input: Encodable & Sendable>: Encodable, Sendable {
        let input: Input
        let model = "embedding"
        var encoding_format: String?
    }

    @Test("Korean and English of one meaning are near; what is too long is refused, or cut and named; every shape says the same")
    func life() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(["EMBEDDING_BATCH_SIZE": "3"], in: folder) { running in
                let health = try await running.ready()
                #expect(health["dim"]?.intValue == 384 && health["batch_size"]?.intValue == 3)

                let texts = [
                    "파이썬으로 파일을 읽는 방법", "How to read a file with Python", "The weather in Busan is warm in May", "", "   ", "🇰🇷",
                ]
                let answer = try await running.embed(texts)
                #expect(answer.embeddings.count == 6 && answer.dim == 384 && answer.truncated.isEmpty)
                #expect(answer.embeddings.allSatisfy { $0.count == 384 && abs(cosine($0, $0) - 1) < 1e-3 })
                #expect(
                    cosine(answer.embeddings[0], answer.embeddings[1]) > cosine(answer.embeddings[0], answer.embeddings[2]) + 0.02)
                // Packed into batches in another order, each text has the vector it has alone.
                for (text, vector) in zip(texts, answer.embeddings).prefix(3) {
                    let alone = try await running.embed([text]).embeddings[0]
                    #expect(cosine(alone, vector) > 0.999)
                }

                let long = (0..<900).map { "단어\($0)" }.joined(separator: " ")
                let refused = await #expect(throws: UpstreamError.self) { try await running.embed(["짧은 글", long]) }
                #expect(refused?.status == 422 && refused?.message.contains("Texts 1 ") == true)
                let cut = try await running.embed(["짧은 글", long], truncate: true)
                #expect(cut.truncated == [1] && cut.embeddings.count == 2)

                // Usage is the sum of the tokens, the model's two marks and the prefix's own with each text.
                let numbers: JSONValue = try await running.http.send(.POST, "/v1/embeddings", body: OpenAIRequest(input: texts))
                let counts: TokenCountResponse = try await running.http.send(
                    .POST, "/tokenize", body: TokenCountRequest(texts: texts.map { "passage: " + $0 }))
                #expect(numbers["usage"]?["prompt_tokens"]?.intValue == counts.counts.reduce(0) { $0 + $1 + 2 })
                let packed: JSONValue = try await running.http.send(
                    .POST, "/v1/embeddings", body: OpenAIRequest(input: texts[0], encoding_format: "base64"))
                let base64 = try #require(packed["data"]?.arrayValue?.first?["embedding"]?.stringValue)
                let bytes = try #require(Data(base64Encoded: base64))
                let floats = stride(from: 0, to: bytes.count, by: 4).map { start in
                    Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
                }
                #expect(floats.count == 384 && cosine(floats, answer.embeddings[0]) > 0.999)
                #expect(try await running.embed([]).embeddings.isEmpty)
            }
        }
    }

    @Test("Calls at the same time share batches, and each has its own vectors and usage")
    func together() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(in: folder) { running in
                _ = try await running.ready()
                let texts = (0..<24).map { "문장 \($0): " + String(repeating: "word ", count: $0) }
                var expected: [(vector: [Float], tokens: Int)] = []
                for text in texts {
                    let alone: JSONValue = try await running.http.send(.POST, "/v1/embeddings", body: OpenAIRequest(input: text))
                    let vector = alone["data"]?.arrayValue?.first?["embedding"]?.arrayValue?.compactMap { $0.doubleValue.map(Float.init) }
                    expected.append((vector ?? [], alone["usage"]?["prompt_tokens"]?.intValue ?? 0))
                }
                try await withThrowingTaskGroup(of: (Int, JSONValue).self) { group in
                    for start in stride(from: 0, to: texts.count, by: 4) {
                        let part = Array(texts[start..<start + 4])
                        group.addTask {
                            (start, try await running.http.send(.POST, "/v1/embeddings", body: OpenAIRequest(input: part)))
                        }
                    }
                    for try await (start, answer) in group {
                        let own = expected[start..<start + 4]
                        #expect(answer["usage"]?["prompt_tokens"]?.intValue == own.reduce(0) { $0 + $1.tokens })
                        for (item, other) in zip(answer["data"]?.arrayValue ?? [], own) {
                            let vector = item["embedding"]?.arrayValue?.compactMap { $0.doubleValue.map(Float.init) } ?? []
                            #expect(cosine(vector, other.vector) > 0.999)
                        }
                    }
                }
            }
        }
    }

    @Test("A reload ends the engine, loads the other model, and serves it")
    func reload() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(["EMBEDDING_MODEL": "second.gguf"], in: folder) { running in
                #expect(try await running.ready()["model"]?.stringValue == "second")
                let before = try #require(await running.service.process.endpoint())
                let answer: JSONValue = try await running.http.send(.POST, "/reload", body: ["model": "multilingual-e5-small"])
                #expect(answer["reloaded"]?.boolValue == true && answer["dim"]?.intValue == 384)
                #expect(answer["model"]?.stringValue == "multilingual-e5-small")
                // Until the other model is loaded the service says so.
                let loading = await #expect(throws: UpstreamError.self) { try await running.embed(["a"]) }
                #expect(loading?.status == 503 && loading?.retryAfter != nil)
                #expect(try await running.ready()["model"]?.stringValue == "multilingual-e5-small")
                #expect(await running.service.process.endpoint() != before)
                #expect(try await running.embed(["a"]).model == "multilingual-e5-small")
                let again: JSONValue = try await running.http.send(.POST, "/reload", body: ["model": ""])
                #expect(again["reloaded"]?.boolValue == false)
            }
        }
    }
}
