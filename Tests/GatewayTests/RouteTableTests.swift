import Foundation
import HTTPTypes
import NIOCore
import ServiceKit
import Synchronization
import Testing

@testable import Gateway

@Suite("Routing and failover")
struct RouteTableTests {
    private let chat = Upstream(name: "chat", baseURL: "http://a", key: nil)
    private let code = Upstream(name: "code", baseURL: "http://b", key: nil)

    @Test("weakness_30_a_failed_primary_is_passed_over_and_comes_back_by_itself")
    func weakness_30_failover() throws {
        let clock = ManualClock()
        let table = RouteTable(aliases: [("chat-7b", [chat, code])], now: { clock.now })
        #expect(try table.candidates(for: "chat-7b") == [chat, code])
        table.recordFailure(chat)
        #expect(try table.candidates(for: "chat-7b") == [code, chat])
        clock.advance(.seconds(1))
        #expect(try table.candidates(for: "chat-7b") == [chat, code])
        table.recordSuccess(chat)
        #expect(try table.candidates(for: "chat-7b") == [chat, code])
    }

    @Test("A model nobody offers is 404")
    func unknown() {
        let table = RouteTable(aliases: [("chat-7b", [chat])])
        #expect(throws: ServiceError.self) { try table.candidates(for: "gpt") }
        table.learn(["real-name"], of: chat)
        #expect(throws: Never.self) { try table.candidates(for: "real-name") }
    }

    @Test("A name of a model's own is asked for where it is served, and goes when nobody serves it any more")
    func learning() throws {
        let table = RouteTable(aliases: [("chat-7b", [chat, code])])
        table.learn(["both"], of: code)
        table.learn(["both", "one"], of: chat)
        #expect(try table.candidates(for: "both") == [chat, code])
        table.recordFailure(chat)
        #expect(try table.candidates(for: "both") == [code, chat])
        table.learn(["other"], of: chat)
        #expect(try table.candidates(for: "both") == [code])
        #expect(throws: ServiceError.self) { try table.candidates(for: "one") }
    }

    @Test(
        "Bad bodies are 400 and name the field",
        arguments: [
            ("", "invalid_json"), ("[]", "invalid_json"), (#"{"messages":[]}"#, "model"), (#"{"model":"m"}"#, "messages"),
            (#"{"model":"m","messages":[]}"#, "messages"),
            (#"{"model":"m","messages":[{"role":"user"}],"max_tokens":"x"}"#, "max_tokens"),
            (#"{"model":"m","messages":[{"role":"user"}],"stream":1}"#, "stream"),
        ])
    func bodies(text: String, about: String) {
        let error = #expect(throws: ServiceError.self) { _ = try CompletionBody(ByteBuffer(string: text), path: "/v1/chat/completions") }
        #expect(error?.status.code == 400)
        #expect(error?.parameter == about || error?.code == about)
    }

    private final class ManualClock: Sendable {
        private let offset = Mutex(Duration.zero)
        private let start = ContinuousClock.now
        var now: ContinuousClock.Instant { start.advanced(by: offset.withLock { $0 }) }
        func advance(_ by: Duration) { offset.withLock { $0 += by } }
    }
}
