import AsyncHTTPClient
import Foundation
import HTTPTypes
import HummingbirdTesting
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Tools

/// Tools whose answers a test knows, and approvals that a test decides: what stands behind the protocol, held in the hand.
actor Bench: MCPToolset {
    private(set) var approvals: [String: MCPApproval] = [:]
    private(set) var calls: [MCPCall] = []
    private(set) var cancelled = 0
    private(set) var begun = 0

    func tools(for caller: Caller) -> [ToolDescriptor] { caller.role.map { ToolCatalogue.tools(of: $0) } ?? [] }

    func call(_ call: MCPCall) async throws -> MCPAnswer {
        guard let tool = ToolCatalogue[call.tool] else { throw ServiceError.notFound("no tool", code: "unknown_tool") }
        guard let role = call.caller.role, tool.leastRole <= role else {
            throw ServiceError(.forbidden, code: "permission_denied", "\(call.tool) is not yours.")
        }
        let arguments = try ToolArguments(call.arguments, for: tool)
        if tool.needsApproval {
            guard let id = call.approval, approvals[id]?.status == "approved" else { return .approvalNeeded(request()) }
            approvals[id] = MCPApproval(id: id, status: "used", expiresAt: .distantFuture)
        }
        calls.append(call)
        switch call.tool {
        case "ai_chat":
            begun += 1
            do {
                try await Task.sleep(for: .seconds(600))
            } catch {
                cancelled += 1
                throw error
            }
        case "rag_search":
            for share in [0.25, 0.2, 0.5, 1.0] { await call.progress(share, "so far") }
        case "read_file" where arguments.string("path") == "missing":
            throw ServiceError.notFound("There is no such file.")
        default: break
        }
        return .done(ToolResult(["content": "the text"], text: "the text"))
    }

    private func request() -> MCPApproval {
        if let pending = approvals.values.first(where: { $0.isPending }) { return pending }
        let approval = MCPApproval(id: UUID().uuidString, status: "pending", expiresAt: Date().addingTimeInterval(300))
        approvals[approval.id] = approval
        return approval
    }

    func decide(_ status: String) {
        for (id, approval) in approvals where approval.isPending {
            approvals[id] = MCPApproval(id: id, status: status, expiresAt: approval.expiresAt)
        }
    }

    func decision(on id: String, within limit: Duration) async throws -> MCPApproval {
        let end = ContinuousClock.now.advanced(by: limit)
        while let approval = approvals[id], approval.isPending, .now < end { try await Task.sleep(for: .milliseconds(2)) }
        return try #require(approvals[id])
    }

    func withdraw(_ id: String, by caller: Caller) { decide("cancelled") }

    func collections() -> [String] { ["manuals", "default", "minutes"] }

    /// Waits until calls are being worked on, or were given up; the limit only ends a test that would hang.
    func until(_ holds: @Sendable (isolated Bench) -> Bool) async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(20))
        while !holds(self) {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

/// A service that has the endpoint alone.
struct MCPService: SuiteService {
    let server: MCPServer
    let id = ServiceID.mcpServer
    let errorShape = ErrorShape.detail
    var routes: [Route] { MCPEndpoint(server: server, keepAlive: .milliseconds(50)).routes }
    func health() async -> Health { Health() }
}

/// Callers by their key.
struct TwoKeys: Authenticator {
    func caller(for credentials: Credentials) async -> Caller? {
        switch credentials.key {
        case "ann": Caller(id: "ann", role: .developer)
        case "ben": Caller(id: "ben", role: .developer)
        case "gus": Caller(id: "gus", role: .guest)
        default: nil
        }
    }
}

/// An endpoint that runs, and what is sent to it.
struct MCPWire: Sendable {
    struct Answer: Sendable {
        let status: Int
        let headers: HTTPHeaders
        let body: String

        var json: JSONValue { (try? JSONDecoder().decode(JSONValue.self, from: Data(body.utf8))) ?? .null }
        var result: JSONValue { json["result"] ?? .null }
        var code: Int? { json["error"]?["code"]?.intValue }
        /// The messages of a stream.
        var events: [JSONValue] {
            var parser = SSE.Parser()
            return parser.feed(body.utf8).compactMap { try? JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
        }
    }

    let bench: Bench
    let server: MCPServer
    let port: Int

    static func run(
        settings: [String: String] = [:], wait: Duration = .milliseconds(20), clock: @escaping @Sendable () -> Date = { Date() },
        _ body: @escaping @Sendable (MCPWire) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(settings, folder: folder)
            let bench = Bench()
            let server = MCPServer(tools: bench, settings: settings, wait: wait, clock: clock)
            try await withRunning(MCPService(server: server), settings: settings, authenticator: TwoKeys()) { client in
                try await body(MCPWire(bench: bench, server: server, port: try #require(client.port)))
            }
        }
    }

    func send(
        _ body: String, _ headers: [(String, String)] = [], method: HTTPMethod = .POST, key: String? = "ann",
        accept: String? = "application/json, text/event-stream", type: String = "application/json",
        path: String = "/mcp"
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.method = method
        request.headers = HTTPHeaders(headers)
        request.headers.add(name: "Content-Type", value: type)
        if let accept { request.headers.add(name: "Accept", value: accept) }
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        if method == .POST { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await HTTPClient.suite.execute(request, timeout: .seconds(30))
        return Answer(
            status: Int(response.status.code), headers: response.headers,
            body: String(buffer: try await response.body.collect(upTo: 1 << 22)))
    }

    /// A request of the modern revision, with the headers that belong to it.
    func modern(
        _ method: String, _ params: [String: JSONValue] = [:], capabilities: JSONValue = [:], meta: [String: JSONValue] = [:],
        key: String = "ann", version: String = "2026-07-28", headers: [(String, String)]? = nil
    ) async throws -> Answer {
        var params = params
        var envelope = meta
        envelope["io.modelcontextprotocol/protocolVersion"] = .string(version)
        envelope["io.modelcontextprotocol/clientCapabilities"] = capabilities
        params["_meta"] = .object(envelope)
        let body = try JSONEncoder.wire.encode(
            ["jsonrpc": "2.0", "id": "r1", "method": .string(method), "params": .object(params)] as JSONValue)
        var own = [("MCP-Protocol-Version", version), ("Mcp-Method", method)]
        if let name = (params["name"] ?? params["uri"] ?? params["taskId"])?.stringValue { own.append(("Mcp-Name", name)) }
        return try await send(String(decoding: body, as: UTF8.self), headers ?? own, key: key)
    }

    /// Opens a session and gives its headers.
    func session(_ version: String = "2025-11-25", key: String = "ann") async throws -> [(String, String)] {
        let answer = try await send(
            #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(version)","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
            key: key)
        return [("Mcp-Session-Id", try #require(answer.headers.first(name: "Mcp-Session-Id"))), ("MCP-Protocol-Version", version)]
    }
}
