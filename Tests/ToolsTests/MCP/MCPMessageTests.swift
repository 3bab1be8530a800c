import Foundation
import Logging
import ServiceKit
import Suite
import TestSupport
import Testing

@testable import Tools

@Suite("Messages of MCP, and those that are none")
struct MCPMessageTests {
    private func code(_ text: String) -> Int? {
        do {
            _ = try MCPMessage(text.utf8)
            return nil
        } catch {
            return (error as? MCPRefusal)?.error.code
        }
    }

    @Test("What is no JSON is -32700; what is no single message -32600; params that are no object -32602")
    func codes() {
        for text in ["", "{", "nil", "{\"a\":}", "\u{1}"] { #expect(code(text) == -32_700, "\(text)") }
        for text in [
            "[]", #"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "7", "\"a\"", "null", "{}", #"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            #"{"jsonrpc":"2.0","id":null,"method":"a"}"#, #"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#,
            #"{"jsonrpc":"2.0","id":[1],"method":"a"}"#, #"{"jsonrpc":"2.0","id":1,"method":7}"#, #"{"jsonrpc":"2.0","id":1}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, #"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
        ] { #expect(code(text) == -32_600, "\(text)") }
        #expect(code(#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#) == -32_602)
        #expect(code(#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":1}}"#) == -32_602)
    }

    @Test("Ids are kept as they came")
    func ids() throws {
        for (text, id) in [("1", .number(1)), ("\"1\"", .text("1")), ("-7", .number(-7)), ("\"\"", .text(""))] as [(String, RequestID)] {
            guard case .request(let request) = try MCPMessage(#"{"jsonrpc":"2.0","id":\#(text),"method":"a"}"#.utf8) else {
                Issue.record("no request")
                continue
            }
            #expect(request.id == id)
        }
    }

    @Test("Nesting has a bound that is looked at before anything recurses")
    func nesting() {
        #expect(code(String(repeating: "[", count: 1_000_000)) == -32_600)
        #expect(code(String(repeating: #"{"a":"#, count: 100_000)) == -32_600)
        #expect(code(#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":"\#(String(repeating: "[", count: 99))"}}"#) == nil)
    }

    @Test("Thousands of broken messages get an answer each, and none breaks the server")
    func fuzz() async throws {
        let whole = Array(
            #"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"read_file","arguments":{"path":"a"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
                .utf8)
        var generator = Seeded(state: 20_260_728)
        var taken = 0
        for _ in 0..<3_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place..<min(place + 8, bytes.count)], at: place)
                }
            }
            do {
                _ = try MCPMessage(bytes)
                taken += 1
            } catch let refusal as MCPRefusal {
                #expect([-32_700, -32_600, -32_602].contains(refusal.error.code))
            }
        }
        #expect(taken > 0 && taken < 3_000)
    }

    @Test("Over HTTP each malformed message is answered 400 in JSON-RPC's shape; other types 415, other wishes 406")
    func http() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            for body in ["", "[]", "{", "null", #"{"jsonrpc":"2.0","id":1,"result":{}}"#, String(repeating: "[", count: 1_000)] {
                let answer = try await wire.send(body)
                #expect(answer.status == 400 && answer.code != nil && answer.json["id"] == .null, "\(answer.body)")
            }
            #expect(try await wire.send("{}", type: "text/plain").status == 415)
            #expect(try await wire.send("{}", accept: "text/html").status == 406)
        }
    }

    @Test("Names of the headers are read as they were encoded")
    func headerValues() {
        #expect(MCPEnvelope.decoded("plain") == "plain")
        #expect(MCPEnvelope.decoded("=?base64?SGVsbG8sIOS4lueVjA==?=") == "Hello, 世界")
        for broken in ["=?base64?SGVsbG8?=", "=?base64?/w==?=", "=?base64?SGVsbG9=?=", "헤더"] { #expect(MCPEnvelope.decoded(broken) == nil) }
    }
}

/// The same numbers each time.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
