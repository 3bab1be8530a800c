import Foundation
import NIOCore
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Gateway

@Suite("The text of an answer")
struct AnswerTextTests {
    private func read(_ parts: [String], isStream: Bool) -> AnswerText {
        var answer = AnswerText(isStream: isStream)
        for part in parts { answer.feed(ByteBuffer(string: part)) }
        answer.end()
        return answer
    }

    @Test("A stream is read whole wherever its bytes are cut")
    func cuts() {
        let text = "보리 🐕 is a dog."
        for size in [1, 2, 3, 7, 64] {
            var answer = AnswerText(isStream: true)
            var bytes = ByteBuffer(string: NotingModel.stream(text))
            while let part = bytes.readSlice(length: min(size, max(bytes.readableBytes, 1))) { answer.feed(part) }
            answer.end()
            #expect(answer.text == text && answer.tokens == 12)
        }
    }

    @Test(
        "What is not a whole answer of text alone is none",
        arguments: [
            (true, #"{"choices":[{"delta":{"content":"half"}}]}"#), (true, "[DONE]"),
            (true, #"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0}]},"finish_reason":"tool_calls"}]}"#),
            (true, #"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"error":{"message":"broke off"}}"#),
            (true, #"{"choices":[{"index":1,"delta":{"content":"the second"},"finish_reason":"stop"}]}"#),
            (false, #"{"choices":[{"message":{"content":"half"#), (false, #"{"choices":[{"message":{"content":null}}]}"#),
            (false, #"{"choices":[{"message":{"content":"a","tool_calls":[{"id":"x"}]}}]}"#), (false, #"{"choices":[]}"#),
            (false, #"{"error":{"message":"no"}}"#), (false, ""),
        ])
    func none(isStream: Bool, data: String) {
        #expect(read([isStream ? SSE.event(data) : data], isStream: isStream).text == nil)
    }

    @Test("Text past the bound is cut at a whole character; an event or a document past it is not read at all")
    func bounds() {
        let long = String(repeating: "가", count: 100_000)
        let whole = read([#"{"choices":[{"message":{"content":"\#(long)"}}]}"#], isStream: false)
        #expect(whole.text?.utf8.count == (256 << 10) / 3 * 3 && whole.text?.allSatisfy { $0 == "가" } == true)
        let stream = read(
            (0..<3).map { _ in SSE.event(#"{"choices":[{"delta":{"content":"\#(long)"},"finish_reason":"stop"}]}"#) }, isStream: true)
        #expect(stream.text?.utf8.count ?? 0 > 250 << 10 && stream.text?.utf8.count ?? .max <= 256 << 10)
        let huge = String(repeating: "x", count: 1 << 20)
        for isStream in [true, false] {
            let lost = read([#"data: {"choices":[{"delta":{"content":""#] + Array(repeating: huge, count: 5), isStream: isStream)
            #expect(lost.isLost && lost.text == nil)
        }
    }

    @Test("So many turns wait at the most; the others are dropped and counted")
    func bounded() {
        // Nothing listens there, and nothing is sent: the keeper does not run.
        let nobody = MemoryClient(ServiceClient(name: "nobody", baseURL: "http://127.0.0.1:1"))
        let keeper = TurnKeeper(client: nobody, logger: quiet)
        let before = Self.dropped()
        for number in 0..<(TurnKeeper.limit + 3) { keeper.keep(SaveConversationRequest(user_query: "\(number)", ai_response: "a")) }
        #expect(Self.dropped() - before == 3)
    }

    /// Turns that were dropped, as it is told.
    private static func dropped() -> Double {
        let line = SharedRegistry.metrics.text().split(separator: "\n").first {
            $0.hasPrefix(#"gateway_memory_saves_total{outcome="dropped"}"#)
        }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Double($0) } ?? 0
    }
}
