import Foundation
import NIOHTTP1
import ServiceKit
import Synchronization
import Testing

@testable import Tools

/// What a server MUST do by the revisions with a handshake.
@Suite("MCP 2025-06-18 and 2025-11-25 over HTTP")
struct MCPLegacyTests {
    @Test("initialize agrees on the version asked for, or offers the newest that has a handshake")
    func negotiation() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            for (asked, agreed) in [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")] {
                let answer = try await wire.send(
                    #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(asked)","capabilities":{}}}"#)
                #expect(answer.status == 200 && answer.result["protocolVersion"] == .string(agreed), "\(answer.body)")
            }
        }
    }

    @Test("A session's id has at least 128 random bits and differs each time")
    func sessionID() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let one = try await wire.session()[0].1
            let two = try await wire.session()[0].1
            #expect(one != two && one.count >= 32 && one.allSatisfy { $0.isHexDigit })
        }
    }

    @Test("Without a session 400, with an unknown one 404, with somebody else's 404")
    func sessionBound() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let list = #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
            let session = try await wire.session()
            #expect(try await wire.send(list, session).status == 200)
            #expect(try await wire.send(list).status == 400)
            #expect(try await wire.send(list, [("Mcp-Session-Id", "x")]).status == 404)
            #expect(try await wire.send(list, session, key: "ben").status == 404)
        }
    }

    @Test("DELETE ends a session, but only its owner's")
    func delete() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            #expect(try await wire.send("", session, method: .DELETE, key: "ben").status == 404)
            #expect(try await wire.send("", session, method: .DELETE).status == 204)
            #expect(try await wire.send(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, session).status == 404)
        }
    }

    @Test("A session that was silent for MCP_SESSION_TIMEOUT is gone")
    func expiry() async throws {
        let now = Mutex(Date())
        let clock: @Sendable () -> Date = { now.withLock { $0 } }
        try await MCPWire.run(settings: ["MCP_SESSION_TIMEOUT": "60"], clock: clock) { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let ping = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
            now.withLock { $0 += 59 }
            #expect(try await wire.send(ping, session).status == 200)
            now.withLock { $0 += 59 }
            #expect(try await wire.send(ping, session).status == 200)
            now.withLock { $0 += 61 }
            #expect(try await wire.send(ping, session).status == 404)
        }
    }

    @Test("There are at most MCP_MAX_SESSIONS; a caller's own oldest gives way, nobody else's")
    func bounded() async throws {
        let sessions = MCPSessions(limit: 2, timeout: 60)
        let ann = Caller(id: "ann", role: .developer)
        let ben = Caller(id: "ben", role: .developer)
        let first = try await sessions.open(ann, revision: .november2025, capabilities: [:])
        _ = try await sessions.open(ann, revision: .november2025, capabilities: [:])
        await #expect(throws: ServiceError.self) { try await sessions.open(ben, revision: .november2025, capabilities: [:]) }
        _ = try await sessions.open(ann, revision: .november2025, capabilities: [:])
        #expect(await sessions.count == 2)
        await #expect(throws: ServiceError.self) { try await sessions.use(first.id, by: ann) }
    }

    @Test("A version header that is not known is answered 400")
    func versionHeader() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let headers = [session[0], ("MCP-Protocol-Version", "1999-01-01")]
            #expect(try await wire.send(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, headers).status == 400)
        }
    }

    @Test("Notifications are taken with 202; errors of methods come with 200; results carry nothing of the modern revision")
    func shapes() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let note = try await wire.send(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, session)
            #expect(note.status == 202 && note.body.isEmpty)
            let unknown = try await wire.send(#"{"jsonrpc":"2.0","id":"a","method":"server/discover"}"#, session)
            #expect(unknown.status == 200 && unknown.code == -32_601 && unknown.json["id"] == "a")
            let list = try await wire.send(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, session)
            #expect(list.result["resultType"] == nil && list.result["ttlMs"] == nil && list.json["id"] == 1)
            let resource = try await wire.send(
                #"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file://missing"}}"#, session)
            #expect(resource.code == -32_002)
        }
    }

    @Test("Arguments that do not fit are an error in 2025-06-18 and a result from 2025-11-25 on")
    func arguments() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let call = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":7}}}"#
            let june = try await wire.session("2025-06-18")
            #expect(try await wire.send(call, june).code == -32_602)
            let november = try await wire.session("2025-11-25")
            #expect(try await wire.send(call, november).result["isError"] == true)
        }
    }

    @Test("notifications/cancelled ends a call of the same session, and no other's")
    func cancellation() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let other = try await wire.session()
            let call = #"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"ai_chat","arguments":{"message":"a"}}}"#
            let cancel = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#
            let mine = Task { try await wire.send(call, session) }
            try await wire.bench.until { $0.begun == 1 }
            let theirs = Task { try await wire.send(call, other) }
            try await wire.bench.until { $0.begun == 2 }
            #expect(try await wire.send(call, session).code == -32_600)
            #expect(try await wire.send(cancel, session).status == 202)
            #expect(try await mine.value.json["result"] == nil)
            #expect(await wire.bench.cancelled == 1)
            #expect(try await wire.send(cancel, other).status == 202)
            _ = try await theirs.value
            #expect(await wire.bench.cancelled == 2)
        }
    }

    @Test("A client that set a level hears of what happens")
    func logging() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let level = #"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"LEVEL"}}"#
            #expect(try await wire.send(level, session).code == -32_602)
            #expect(try await wire.send(level.replacing("LEVEL", with: "info"), session).result == [:])
            let call = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"missing"}}}"#
            let events = try await wire.send(call, session).events
            #expect(events.first?["method"] == "notifications/message" && events.last?["result"]?["isError"] == true)
        }
    }

    @Test("A call that needs approval fails with what to wait for; repeated with the approval's id it runs")
    func approval() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            func call(_ meta: String) -> String {
                #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"execute_python","arguments":{"code":"1"},"_meta":\#(meta)}}"#
            }
            let first = try await wire.send(call("{}"), session).result
            let facts = first["structuredContent"]
            #expect(first["isError"] == true && facts?["approval_required"] == true && facts?["status"] == "pending")
            let id = try #require(facts?["request_id"]?.stringValue)
            await wire.bench.decide("approved")
            #expect(try await wire.send(call(#"{"maru/approval":"\#(id)"}"#), session).result["isError"] == false)
        }
    }
}
