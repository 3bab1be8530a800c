import AsyncHTTPClient
import Foundation
import Inference
import NIOCore
import NIOHTTP1
import ServiceKit
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Embedding

// One at a time: each engine takes whole cores.
@Suite("The managed encoder", .serialized, .enabled(if: RealEmbedding.hasEncoder, RealEmbedding.needsEncoder))
struct EncoderTests {
    private static let texts = [
        "파이썬으로 파일을 읽는 방법", "각각의 사용자에게 권한을 준다", "How do I read a file with Python?", "Ｆｕｌｌ　ｗｉｄｔｈ １２３ ㎏ ①",
        "  blanks   of\tall\nkinds ", "قراءة ملف", "फ़ाइल कैसे पढ़ें", "ファイルを読む", "😀 x₂ ≠ y²", "https://example.com/a?b=c#d", "",
        String(repeating: "긴 글은 나누어 읽는다. ", count: 30),
    ]

    private func cosine(_ left: [Float], _ right: [Float]) -> Float { zip(left, right).reduce(0) { $0 + $1.0 * $1.1 } }

    @Test("It reads texts as llama-server does, and its vectors say the same")
    func parity() async throws {
        try await withScratchFolder { folder in
            struct Outcome { let counts: [Int], vectors: [[Float]] }
            func outcome(_ engine: String) async throws -> Outcome {
                try await RunningEmbedding.with(["EMBEDDING_ENGINE": engine], in: folder.appending(engine.contains("/") ? "a" : "b")) {
                    running in
                    _ = try await running.ready()
                    let counts: TokenCountResponse = try await running.http.send(
                        .POST, "/tokenize", body: TokenCountRequest(texts: Self.texts))
                    return Outcome(counts: counts.counts, vectors: try await running.embed(Self.texts).embeddings)
                }
            }
            let (own, llama) = try await (outcome(RealEmbedding.encoder), outcome("llama-server"))
            #expect(own.counts == llama.counts)
            for (text, pair) in zip(Self.texts, zip(own.vectors, llama.vectors)) {
                #expect(cosine(pair.0, pair.1) > 0.99, "\(text)")
            }
        }
    }

    @Test("A text's vector is the same to the bit whatever comes with it, and after another start")
    func alone() async throws {
        try await withScratchFolder { folder in
            var seen: [[[Float]]] = []
            for start in ["first", "second"] {
                seen += try await RunningEmbedding.with(in: folder.appending(start)) { running in
                    _ = try await running.ready()
                    let together = try await running.embed(Self.texts).embeddings
                    var alone: [[Float]] = []
                    for text in Self.texts { alone += try await running.embed([text]).embeddings }
                    return [together, alone]
                }
            }
            #expect(seen.count == 4 && seen.allSatisfy { $0 == seen[0] })
        }
    }

    @Test("A long text of characters that the vocabulary does not have is cut where the model ends")
    func cut() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(in: folder) { running in
                _ = try await running.ready()
                let unknown = "👩\u{200d}🚀 \u{e123} "
                let answer = try await running.embed([String(repeating: unknown, count: 400), "short"], truncate: true)
                #expect(answer.truncated == [0] && answer.embeddings.count == 2)

                // What tokens are turned into is read as the same tokens again, so the first cut is the last.
                let endpoint = try #require(await running.service.process.endpoint())
                let engine = ServiceClient(name: "encoder", baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(60))
                func tokens(_ text: JSONValue) async throws -> JSONValue {
                    try await engine.send(.POST, "/tokenize", body: ["content": text] as JSONValue)
                }
                let first = try await tokens(.string(unknown))
                let text: JSONValue = try await engine.send(.POST, "/detokenize", body: first)
                #expect(try await tokens(text["content"] ?? .null) == first)
            }
        }
    }

    @Test("What looks like a mark of the model is text")
    func marks() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(in: folder) { running in
                _ = try await running.ready()
                let answer: TokenCountResponse = try await running.http.send(
                    .POST, "/tokenize", body: TokenCountRequest(texts: ["</s>", "<mask>", "[PAD250010]"]))
                #expect(answer.counts.allSatisfy { $0 > 1 })
            }
        }
    }

    @Test("It answers nobody without its key, names what it cannot read, and outlives that")
    func requests() async throws {
        try await withScratchFolder { folder in
            try await RunningEmbedding.with(in: folder) { running in
                _ = try await running.ready()
                let endpoint = try #require(await running.service.process.endpoint())
                let stranger = ServiceClient(name: "encoder", baseURL: endpoint.baseURL, key: "another", timeout: .seconds(10))
                let refused = await #expect(throws: UpstreamError.self) {
                    let _: JSONValue = try await stranger.send(.POST, "/v1/embeddings", body: ["input": ["a"]] as JSONValue)
                }
                #expect(refused?.status == 401)
                // A body was not read there, so nobody may send anything else on that connection.
                var request = HTTPClientRequest(url: endpoint.baseURL + "/v1/embeddings")
                request.method = .POST
                request.body = .bytes(ByteBuffer(string: "{}"))
                let answer = try await HTTPClient.suite.execute(request, timeout: .seconds(60))
                #expect(answer.status.code == 401 && answer.headers["Connection"] == ["close"])
                let own = ServiceClient(name: "encoder", baseURL: endpoint.baseURL, key: endpoint.key, timeout: .seconds(60))
                let long = JSONValue.object(["input": .array([.string(String(repeating: "word ", count: 2_000))])])
                for body in [long, ["input": [7]], ["tokens": [1]], "a"] as [JSONValue] {
                    let error = await #expect(throws: UpstreamError.self) {
                        let _: JSONValue = try await own.send(.POST, "/v1/embeddings", body: body)
                    }
                    #expect(error?.status == 400)
                }
                let beyond = await #expect(throws: UpstreamError.self) {
                    let _: JSONValue = try await own.send(.POST, "/detokenize", body: ["tokens": [-1]] as JSONValue)
                }
                #expect(beyond?.status == 400)
                #expect(try await running.embed(["a"]).embeddings.count == 1)
            }
        }
    }
}
