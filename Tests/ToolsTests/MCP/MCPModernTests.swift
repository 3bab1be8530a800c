import Foundation
import NIOHTTP1
import ServiceKit
import SuiteAPI
import Testing

@testable import Tools

/// What a server MUST do by MCP 2026-07-28; one test a rule.
@Suite("MCP 2026-07-28 over HTTP")
struct MCPModernTests {
    @Test("An Origin that is not allowed is refused with 403, also without a key")
    func origin() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            #expect(try await wire.send("{}", [("Origin", "http://evil.example")]).status == 403)
            #expect(try await wire.send("{}", [("Host", "evil.example")]).status == 421)
        }
    }

    @Test("Without a key 401 says how to bring one; a key in the address is none")
    func credentials() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.send("{}", key: nil)
            #expect(answer.status == 401 && answer.headers.first(name: "WWW-Authenticate")?.hasPrefix("Bearer") == true)
            for query in ["api_key=ann", "access_token=ann", "key=ann"] {
                #expect(try await wire.send("{}", key: nil, path: "/mcp?\(query)").status == 401)
            }
        }
    }

    @Test("server/discover tells versions, capabilities and who serves")
    func discover() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let result = try await wire.modern("server/discover").result
            #expect(result["supportedVersions"]?.arrayValue?.first == "2026-07-28")
            #expect(result["capabilities"]?["extensions"]?["io.modelcontextprotocol/tasks"] == [:])
            #expect(result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "maru")
        }
    }

    @Test(
        "Headers that are missing or say something else than the body are answered 400, -32020",
        arguments: [
            [("Mcp-Method", "tools/call"), ("Mcp-Name", "read_file")],
            [("MCP-Protocol-Version", "2025-11-25"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "read_file")],
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Name", "read_file")],
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list"), ("Mcp-Name", "read_file")],
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call")],
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "list_files")],
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "=?base64?!!?=")],
            [
                ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "read_file"), ("Mcp-Name", "list_files"),
            ],
        ])
    func headers(_ headers: [(String, String)]) async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.modern("tools/call", ["name": "read_file", "arguments": ["path": "a"]], headers: headers)
            #expect(answer.status == 400 && answer.code == -32_020, "\(answer.body)")
            #expect(await wire.bench.calls.isEmpty)
        }
    }

    @Test("A name that came in base64 is compared decoded")
    func encodedName() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let uri = "file://한글.md"
            let header = "=?base64?\(Data(uri.utf8).base64EncodedString())?="
            let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "resources/read"), ("Mcp-Name", header)]
            let answer = try await wire.modern("resources/read", ["uri": .string(uri)], headers: headers)
            #expect(answer.result["contents"]?.arrayValue?.first?["text"] == "the text", "\(answer.body)")
            #expect(await wire.bench.calls.first?.arguments == ["path": "한글.md"])
        }
    }

    @Test("An unknown method is answered 404, -32601; those of the handshake are unknown here")
    func unknownMethod() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            for method in ["no/such", "ping", "logging/setLevel"] {
                let answer = try await wire.modern(method)
                #expect(answer.status == 404 && answer.code == -32_601)
                #expect(answer.json["id"] == "r1")
            }
        }
    }

    @Test("A version that is not spoken is answered 400, -32022, with those that are")
    func version() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.modern("tools/list", version: "1900-01-01")
            #expect(answer.status == 400 && answer.code == -32_022)
            #expect(answer.json["error"]?["data"]?["supported"]?.arrayValue?.contains("2026-07-28") == true)
            #expect(answer.json["error"]?["data"]?["requested"] == "1900-01-01")
        }
    }

    @Test("A request without the members of _meta that are required is answered 400, -32602")
    func envelope() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list")]
            for meta in ["{}", #"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#] {
                let answer = try await wire.send(
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":\#(meta)}}"#, headers)
                #expect(answer.status == 400 && answer.code == -32_602, "\(answer.body)")
            }
        }
    }

    @Test("Every result has a resultType; what may be kept says for how long and for whom")
    func results() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let requests: [(String, [String: JSONValue])] = [
                ("server/discover", [:]), ("tools/list", [:]), ("prompts/list", [:]), ("resources/list", [:]),
                ("resources/templates/list", [:]), ("resources/read", ["uri": "project://files"]),
            ]
            for (method, params) in requests {
                let answer = try await wire.modern(method, params)
                #expect(answer.result["resultType"] == "complete", "\(answer.body)")
                #expect((answer.result["ttlMs"]?.intValue ?? -1) >= 0)
                #expect(answer.result["cacheScope"] == (method == "server/discover" ? "public" : "private"))
            }
            let call = try await wire.modern("tools/call", ["name": "read_file", "arguments": ["path": "a"]])
            #expect(call.result["resultType"] == "complete" && call.result["structuredContent"] == ["content": "the text"])
        }
    }

    @Test("tools/list is the same each time, and has what the caller may call")
    func order() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let first = try await wire.modern("tools/list").result["tools"]
            let second = try await wire.modern("tools/list").result["tools"]
            let names = first?.arrayValue?.compactMap { $0["name"]?.stringValue }
            #expect(first == second && names == ToolCatalogue.tools(of: .developer).map(\.name))
            let guest = try await wire.modern("tools/list", key: "gus").result["tools"]?.arrayValue?.count
            #expect(guest == ToolCatalogue.tools(of: .guest).count)
        }
    }

    @Test("No session is minted, and one that is sent is passed over; GET is no method here")
    func stateless() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.modern("tools/list")
            #expect(answer.headers.first(name: "Mcp-Session-Id") == nil)
            let get = try await wire.send("", method: .GET)
            #expect(get.status == 405 && get.headers.first(name: "Allow")?.contains("POST") == true)
        }
    }

    @Test("A notification is taken with 202 and no body")
    func notification() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.send(
                #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#, [("MCP-Protocol-Version", "2026-07-28")])
            #expect(answer.status == 202 && answer.body.isEmpty)
        }
    }

    @Test("Progress comes as a stream that proxies do not hold back, always grows, and ends with the result")
    func progress() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let answer = try await wire.modern(
                "tools/call", ["name": "rag_search", "arguments": ["query": "a"]], meta: ["progressToken": 7])
            #expect(answer.headers.first(name: "Content-Type") == "text/event-stream")
            #expect(answer.headers.first(name: "X-Accel-Buffering") == "no")
            let shares = answer.events.compactMap { $0["params"]?["progress"]?.doubleValue }
            #expect(shares == [0.25, 0.5, 1])
            #expect(answer.events.first?["params"]?["progressToken"] == 7)
            #expect(answer.events.last?["id"] == "r1" && answer.events.last?["result"] != nil)
        }
    }

    @Test("A client that leaves has its call cancelled, whether the answer was to be a stream or not", arguments: [true, false])
    func leaving(streamed: Bool) async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let call = Task {
                try await wire.modern(
                    "tools/call", ["name": "ai_chat", "arguments": ["message": "a"]], meta: streamed ? ["progressToken": 1] : [:])
            }
            try await wire.bench.until { $0.begun == 1 }
            call.cancel()
            try await wire.bench.until { $0.cancelled == 1 }
            _ = await call.result
        }
    }

    @Test("An unknown tool is an error; arguments that do not fit and a missing right are results a model can read")
    func failures() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let unknown = try await wire.modern("tools/call", ["name": "rm_rf", "arguments": [:]])
            #expect(unknown.code == -32_602)
            let bad = try await wire.modern("tools/call", ["name": "read_file", "arguments": ["path": 7]])
            #expect(bad.status == 200 && bad.result["isError"] == true && bad.result["_meta"]?["status"] == 422)
            let denied = try await wire.modern("tools/call", ["name": "git_commit", "arguments": ["message": "a"]])
            #expect(denied.result["isError"] == true && denied.result["_meta"]?["code"] == "permission_denied")
        }
    }

    @Test("A resource that is not there is -32602; one outside the two schemes never reaches a tool")
    func resources() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            #expect(try await wire.modern("resources/read", ["uri": "file://missing"]).code == -32_602)
            let before = await wire.bench.calls.count
            for uri in ["http://a/b", "file://", "file://a%00b", "file://a?b", "project://secrets"] {
                #expect(try await wire.modern("resources/read", ["uri": .string(uri)]).code == -32_602, "\(uri)")
            }
            #expect(await wire.bench.calls.count == before)
        }
    }

    @Test("A cursor is refused unless it was made for this list")
    func cursors() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            for cursor in ["x", MCPPage.cursor("prompts", 1), MCPPage.cursor("tools", 9_999), MCPPage.cursor("tools", -1)] {
                #expect(try await wire.modern("tools/list", ["cursor": .string(cursor)]).code == -32_602)
            }
        }
    }

    @Test("subscriptions/listen first says what it honours, under the id of the request")
    func subscriptions() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let notes = AsyncStream<JSONValue>.makeStream()
            let exchange = MCPExchange(caller: Caller(id: "ann", role: .developer), revision: .july2026) { notes.continuation.yield($0) }
            let request = MCPRequest(id: .number(4), method: "subscriptions/listen", params: ["notifications": ["toolsListChanged": true]])
            let listening = Task { try await wire.server.answer(request, exchange) }
            var iterator = notes.stream.makeAsyncIterator()
            let first = await iterator.next()
            #expect(first?["method"] == "notifications/subscriptions/acknowledged")
            #expect(first?["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"] == 4)
            #expect(first?["params"]?["notifications"] == [:])
            listening.cancel()
            await #expect(throws: CancellationError.self) { try await listening.value }
        }
    }

    @Test("Prompts check their arguments; completions offer what an argument may be")
    func prompts() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            #expect(try await wire.modern("prompts/get", ["name": "explain_file", "arguments": [:]]).code == -32_602)
            #expect(try await wire.modern("prompts/get", ["name": "explain_file", "arguments": ["path": "a", "x": "b"]]).code == -32_602)
            #expect(try await wire.modern("prompts/get", ["name": "none"]).code == -32_602)
            let prompt = try await wire.modern("prompts/get", ["name": "explain_file", "arguments": ["path": "a.swift"]])
            let text = prompt.result["messages"]?.arrayValue?.first?["content"]?["text"]?.stringValue
            #expect(text?.contains("a.swift") == true)
            let reference: JSONValue = ["type": "ref/prompt", "name": "review_changes"]
            let completion = try await wire.modern(
                "completion/complete", ["ref": reference, "argument": ["name": "staged", "value": "t"]],
                headers: [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "completion/complete")])
            #expect(completion.result["completion"]?["values"] == ["true"], "\(completion.body)")
        }
    }
}
