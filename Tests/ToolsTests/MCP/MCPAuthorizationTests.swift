import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOHTTP1
import Security
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import TestSupport
import Testing

@testable import Tools

/// MCP, “Authorization”, as far as it holds for a server whose tokens are keys of its own.
@Suite("Authorization of MCP")
struct MCPAuthorizationTests {
    @Test("401 says where the metadata of the resource stands; a token that is none is called so (RFC 9728 §5.1, RFC 6750 §3)")
    func challenge() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let place = "http://127.0.0.1:\(wire.port)/.well-known/oauth-protected-resource/mcp"
            let keyless = try await wire.send("{}", key: nil)
            #expect(keyless.status == 401)
            #expect(keyless.headers.first(name: "WWW-Authenticate") == "Bearer resource_metadata=\"\(place)\"")
            let wrong = try await wire.send("{}", key: "eyJhbGciOiJub25lIn0.e30.")
            #expect(wrong.headers.first(name: "WWW-Authenticate") == "Bearer error=\"invalid_token\", resource_metadata=\"\(place)\"")
            let end = try await wire.send("", method: .DELETE, key: nil)
            #expect(end.headers.first(name: "WWW-Authenticate")?.contains(place) == true)
        }
    }

    @Test("The metadata is open, names the resource as the client did, and promises no authorization server")
    func metadata() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            for (path, resource) in [("", ""), ("/mcp", "/mcp")] {
                let answer = try await wire.send("", method: .GET, key: nil, path: "/.well-known/oauth-protected-resource\(path)")
                #expect(answer.status == 200 && answer.headers.first(name: "Content-Type") == "application/json")
                #expect(answer.json["resource"] == .string("http://127.0.0.1:\(wire.port)\(resource)"))
                #expect(answer.json["bearer_methods_supported"] == ["header"])
                #expect(answer.json["authorization_servers"] == nil)
            }
            let proxied = try await wire.send(
                "", [("X-Forwarded-Proto", "https")], method: .GET, key: nil, path: "/.well-known/oauth-protected-resource/mcp")
            #expect(proxied.json["resource"] == .string("https://127.0.0.1:\(wire.port)/mcp"))
            let foreign = try await wire.send(
                "", [("Host", "evil.example")], method: .GET, key: nil, path: "/.well-known/oauth-protected-resource")
            #expect(foreign.status == 421, "no name is repeated that is not this server's")
        }
    }

    @Test("Who lacks the role for a route is told so: 403, insufficient_scope")
    func scope() async throws {
        try await AdministrationDoor.with { door in
            let key = try await door.guards.directory.issueKey(for: "guest_user", name: "k", lifetime: nil).key
            let answer = try await door(.get, "/security/users", key: key)
            #expect(answer.status == 403 && answer.headers[.wwwAuthenticate] == "Bearer error=\"insufficient_scope\"")
        }
    }

    @Test("An Origin that is not allowed is refused in a session too")
    func legacyOrigin() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let session = try await wire.session()
            let ping = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
            #expect(try await wire.send(ping, session).status == 200)
            #expect(try await wire.send(ping, session + [("Origin", "http://evil.example")]).status == 403)
        }
    }

    /// Stands where the retrieval service would, and remembers with which key it was asked.
    private struct Listener: SuiteService {
        let id = ServiceID.rag
        let errorShape = ErrorShape.detail
        let seen: @Sendable (String?) -> Void

        var routes: [Route] {
            [
                Route(.post, "/query", "Answers.") { request, _ in
                    seen(request.headers[.authorization])
                    return .json(
                        QueryResponse(
                            answer: "yes", answered: true, sources: [], context: [], usage: nil, cached: false, response_time_ms: 1))
                },
                Route(.get, "/collections", "Collections.") { request, _ in
                    seen(request.headers[.authorization])
                    return .json(["collections": [["name": "default", "documents": 1, "passages": 1]]] as JSONValue)
                },
            ]
        }

        func health() async -> Health { Health() }
    }

    @Test("A caller's key goes no further: services behind are asked with the stack's own")
    func noPassthrough() async throws {
        let seen = Mutex<[String?]>([])
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(Listener { key in seen.withLock { $0.append(key) } }, settings: settings) { client in
                let port = try #require(client.port)
                try await withToolServer(["RAG_PORT": "\(port)"]) { service, guards, settings in
                    let clients = SuiteClients(settings: settings, key: "maru_service_own")
                    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
                    let own = try await ToolsService(settings: settings, clients: clients, guards: guards, logger: logger)
                    let exchange = MCPExchange(caller: Caller(id: "dev_user", role: .developer), revision: .november2025)
                    let call = MCPRequest(
                        id: .number(1), method: "tools/call", params: ["name": "rag_search", "arguments": ["query": "q"]])
                    #expect(try await own.mcp.answer(call, exchange)["isError"] == false)
                    let completion = MCPRequest(
                        id: .number(2), method: "completion/complete",
                        params: [
                            "ref": ["type": "ref/prompt", "name": "ask_documents"], "argument": ["name": "collection", "value": "d"],
                        ])
                    #expect(try await own.mcp.answer(completion, exchange)["completion"]?["values"] == ["default"])
                    _ = service
                }
            }
        }
        #expect(seen.withLock { $0 } == ["Bearer maru_service_own", "Bearer maru_service_own"])
    }
}
