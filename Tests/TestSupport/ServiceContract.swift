import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import Testing

/// What holds of every service, whatever it does. Each module puts its services through it, so that no route escapes.
public struct ServiceContract: Sendable {
    private let service: any SuiteService
    private let settings: Settings
    private let routes: [Route]

    /// Routes that answer everybody: that a service lives, that it is ready, and what clients of Qdrant and of OAuth ask before they have a
    /// key.
    private static let open: Set<String> = [
        "/livez", "/health", "/v1/memory/health", "/", "/healthz", "/readyz", "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ]

    public init(_ service: any SuiteService, settings: Settings) {
        self.service = service
        self.settings = settings
        routes =
            ServiceServer(
                service, settings: settings, authenticator: OpenDoor(), registry: PrometheusRegistry(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ).routes
    }

    /// Runs every part of the contract.
    public func check() async throws {
        try documented()
        try await refusesStrangers()
        try await keepsItsErrorShape()
        try await survivesBadInput()
    }

    /// docs/api.md has the service's routes as they are.
    private func documented() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let docs = try String(contentsOf: root.appending(path: "docs/api.md"), encoding: .utf8)
        let rows = routes.map { route in
            let access =
                switch route.access {
                case .open: "everybody"
                case .role(let role): role.rawValue
                }
            return "| `\(route.method.rawValue) \(route.path)` | \(access) | \(route.summary) |"
        }
        let table = rows.joined(separator: "\n")
        #expect(docs.contains("## \(service.id.rawValue)"))
        #expect(docs.contains(table), "docs/api.md should have, for \(service.id):\n\(table)\n")
    }

    /// A request without a key is refused wherever a key is needed, and that is nearly everywhere.
    private func refusesStrangers() async throws {
        #expect(Set(routes.filter { $0.access == .open }.map(\.path)).isSubset(of: Self.open))
        try await withRunning(service, settings: settings, authenticator: ClosedDoor()) { client in
            for route in routes where route.access != .open {
                let answer = try await Answer(client, route.method, Self.path(route), body: ByteBuffer(string: "{}"))
                #expect(answer.status == 401, "\(route.method) \(route.path)")
                #expect(answer.headers.contains(name: "WWW-Authenticate"))
                expectShape(answer, "\(route.method) \(route.path)")
            }
        }
    }

    /// Whatever goes wrong around the handlers is told in the service's own shape, under the id of the request.
    private func keepsItsErrorShape() async throws {
        try await withRunning(service, settings: settings) { client in
            let missing = try await Answer(client, .get, "/no/such/place", headers: ["X-Request-ID": "my-id"])
            #expect(missing.status == 404)
            #expect(missing.headers.first(name: "X-Request-ID") == "my-id")
            expectShape(missing, "an unknown path")
            let wrong = try await Answer(client, .delete, "/livez")
            #expect(wrong.status == 405 && wrong.headers.first(name: "Allow") == "GET")
            expectShape(wrong, "a wrong method")
        }
    }

    /// Bodies of every bad kind are answered with a client error, or with 503 where the service is not ready: never with 500, never not
    /// at all.
    private func survivesBadInput() async throws {
        let bodies: [ByteBuffer] = [
            ByteBuffer(), ByteBuffer(string: "{"), ByteBuffer(string: "null"), ByteBuffer(string: "[]"), ByteBuffer(string: "\"text\""),
            ByteBuffer(string: #"{"query":7,"texts":"a","points":{},"vectors":[],"messages":1,"model":[],"input":{},"path":0,"ids":"x"}"#),
            ByteBuffer(string: #"{"query":"\ud800","texts":["\ud800"],"model":"\u0000"}"#),
            ByteBuffer(string: String(repeating: "[", count: 100_000)),
            ByteBuffer(string: String(repeating: #"{"a":"#, count: 20_000)),
            ByteBuffer(string: #"{"limit":1e400,"topk":-9223372036854775809,"max_tokens":1e999,"query":"a","model":"chat-7b"}"#),
            ByteBuffer(bytes: [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A, 0x31, 0x7D]), ByteBuffer(bytes: [UInt8](repeating: 0, count: 4_096)),
        ]
        try await withRunning(service, settings: settings, authenticator: OpenDoor(role: .admin)) { client in
            for route in routes where [.post, .put, .patch, .delete].contains(route.method) {
                for (number, body) in bodies.enumerated() {
                    let answer = try await Answer(
                        client, route.method, Self.path(route), headers: ["Content-Type": "application/json"], body: body)
                    let isAllowed = answer.status < 500 || [501, 503].contains(answer.status)
                    #expect(isAllowed, "\(route.method) \(route.path) answered \(answer.status) to body \(number)")
                    if answer.status >= 400 { expectShape(answer, "\(route.method) \(route.path)") }
                }
            }
        }
    }

    private func expectShape(_ answer: Answer, _ what: String) {
        let body = (try? JSONDecoder().decode(JSONValue.self, from: Data(answer.body.readableBytesView))) ?? .null
        // MCP tells of errors as JSON-RPC does, on whatever service it is.
        if body["jsonrpc"] == "2.0", body["error"]?["code"]?.intValue != nil, what.hasSuffix(" /mcp") { return }
        let isRight =
            switch service.errorShape {
            case .detail: body["detail"]?.stringValue != nil && body["code"]?.stringValue != nil
            case .openAI: body["error"]?["message"]?.stringValue != nil && body["error"]?["type"]?.stringValue != nil
            case .qdrant: body["status"]?["error"]?.stringValue != nil
            }
        #expect(isRight, "\(what) answered \(answer.status) with \(String(buffer: answer.body).prefix(300))")
    }

    /// A route's path with its parameters filled in.
    private static func path(_ route: Route) -> String { route.path.replacing(#/\{[a-z_]+\}/#, with: "x") }

    /// An answer over a connection of a pool, which is used again unless the service says that it closes it.
    private struct Answer {
        let status: Int
        let headers: HTTPHeaders
        let body: ByteBuffer

        init(
            _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ path: String, headers: HTTPHeaders = [:],
            body: ByteBuffer? = nil
        ) async throws {
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(client.port ?? 0)\(path)")
            request.method = HTTPMethod(rawValue: method.rawValue)
            request.headers = headers
            request.body = body.map { .bytes($0) }
            let response = try await HTTPClient.suite.execute(request, timeout: .seconds(60))
            status = Int(response.status.code)
            self.headers = response.headers
            self.body = try await response.body.collect(upTo: 1 << 24)
        }
    }
}

/// Lets nobody in.
public struct ClosedDoor: Authenticator {
    public init() {}

    public func caller(for credentials: Credentials) async -> Caller? { nil }
}
