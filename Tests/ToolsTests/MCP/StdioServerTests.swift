import Foundation
import Logging
import ServiceKit
import Suite
import TestSupport
import Testing

@testable import Tools

@Suite("MCP over standard input and output")
struct StdioServerTests {
    /// Runs a server on pipes, and gives what it wrote once its input ended.
    private func run(_ input: String, _ bench: Bench = Bench(), before end: @Sendable (Bench) async throws -> Void = { _ in }) async throws
        -> [JSONValue]
    {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let (toServer, fromServer) = (Pipe(), Pipe())
            let stdio = StdioServer(
                server: MCPServer(tools: bench, settings: settings), caller: Caller(id: "dev_user", role: .developer),
                input: toServer.fileHandleForReading, output: fromServer.fileHandleForWriting,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            async let served: Void = stdio.run()
            try toServer.fileHandleForWriting.write(contentsOf: Data(input.utf8))
            try await end(bench)
            try toServer.fileHandleForWriting.close()
            try await served
            try fromServer.fileHandleForWriting.close()
            let written = try fromServer.fileHandleForReading.readToEnd() ?? Data()
            return try written.split(separator: 0x0a).map { try JSONDecoder().decode(JSONValue.self, from: $0) }
        }
    }

    @Test("Both eras are served on one connection, a line an answer, and it ends with its input")
    func eras() async throws {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        let answers = try await run(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"# + "\n"
                + #"{"jsonrpc":"2.0","id":2,"method":"server/discover","params":{\#(meta)}}"# + "\r\n\n"
                + #"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"notifications/initialized"}"# + "\n" + "nonsense\n"
                + #"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"a\nb"}}}"#)
        func answer(_ id: JSONValue) -> JSONValue? { answers.first { $0["id"] == id } }
        #expect(answers.count == 5)
        #expect(answer(1)?["error"]?["code"] == -32_602)
        #expect(answer(2)?["result"]?["resultType"] == "complete")
        #expect(answer(3)?["result"]?["protocolVersion"] == "2025-06-18")
        #expect(answer(4)?["result"]?["isError"] == false)
        #expect(answer(.null)?["error"]?["code"] == -32_700)
    }

    @Test("A call that is taken back ends and is not answered")
    func cancellation() async throws {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        let bench = Bench()
        let answers = try await run(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ai_chat","arguments":{"message":"a"},\#(meta)}}"# + "\n"
                + #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"# + "\n", bench
        )
        #expect(answers.isEmpty)
        #expect(await bench.begun == bench.cancelled)
    }

    @Test("What runs when the input ends is cancelled")
    func ending() async throws {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        let bench = Bench()
        _ = try await run(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ai_chat","arguments":{"message":"a"},\#(meta)}}"# + "\n",
            bench
        ) { try await $0.until { $0.begun == 1 } }
        #expect(await bench.cancelled == 1)
    }

    @Test("Lines are found however the bytes are cut; one that is too long is told of and read past")
    func lines() {
        var splitter = LineSplitter(limit: 4)
        var found: [String] = []
        for part in ["ab", "c\n\nd\r", "\n123456", "7\nxy"] {
            for line in splitter.feed(part.utf8) {
                if case .whole(let bytes) = line { found.append(String(decoding: bytes, as: UTF8.self)) } else { found.append("too long") }
            }
        }
        if case .whole(let bytes) = splitter.end() { found.append(String(decoding: bytes, as: UTF8.self)) }
        #expect(found == ["abc", "d", "too long", "xy"])
    }
}
