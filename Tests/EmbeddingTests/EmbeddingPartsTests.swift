import Foundation
import ServiceKit
import SuiteAPI
import Testing

@testable import Embedding

@Suite("Embedding")
struct EmbeddingPartsTests {
    @Test("E5 is given its prefixes, MiniLM decomposed Hangul")
    func profiles() {
        let e5 = EmbeddingProfile.of("multilingual-e5-small")
        #expect(e5.prepare("가", for: .query) == "query: 가")
        #expect(e5.prepare("가", for: nil) == "passage: 가")
        #expect(EmbeddingProfile.of("all-MiniLM-L6-v2").prepare("가", for: .query).unicodeScalars.count == 2)
    }

    @Test("Vectors are scaled to length 1")
    func normalized() {
        #expect(Embedder.normalized([3, 4]) == [0.6, 0.8])
        #expect(Embedder.normalized([0, 0]) == [0, 0])
    }

    @Test("Token ids, unknown models and cut dimensions are refused")
    func refusals() throws {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(OpenAIEmbeddingRequest.self, from: Data(#"{"input":[1,2],"model":"embedding"}"#.utf8))
        }
        let request = try JSONDecoder().decode(OpenAIEmbeddingRequest.self, from: Data(#"{"input":"x","model":"other"}"#.utf8))
        #expect(throws: ServiceError.self) { try request.check(model: "e5", dimension: 384) }
    }
}
