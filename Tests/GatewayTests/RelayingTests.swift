import AsyncHTTPClient
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import Synchronization
import TestSupport
import Testing

@testable import Gateway

/// An upstream that breaks off, refuses keys, or answers only when many ask at once.
private final class Troubled: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    let seen = Mutex<[String]>([])
    /// Requests that must be there before any is answered.
    let crowd: Int
    private let waiting = Mutex<[AsyncStream<Void>.Continuation]>([])

    init(crowd: Int = 1) { self.crowd = crowd }

    func health() async -> Health { Health() }

    var routes: [Route] {
        [
            Route(.post, "/v1/chat/completions", "Breaks off.") { request, context in
                let isStreamed = String(buffer: try await request.bytes(context)).contains("\"stream\":true")
                return Response(
                    status: .ok, headers: [.contentType: isStreamed ? "text/event-stream" : "application/json"],
                    body: ResponseBody { writer in
                        try await writer.write(ByteBuffer(string: "data: {\"half"))
                        throw CancellationError()
                    })
            },
            Route(.post, "/v1/completions", "Waits for others.") { [self] _, _ in
                let (stream, continuation) = AsyncStream<Void>.makeStream()
                let everybody = waiting.withLock { waiting in
                    waiting.append(continuation)
                    return waiting.count == crowd ? waiting : []
                }
                for one in everybody { one.finish() }
                for await _ in stream {}
                return .json(["ok": true])
            },
            Route(.post, "/v1/embeddings", "Refuses keys.") { [self] request, _ in
                if let id = HTTPField.Name("X-Request-ID"), let told = request.headers[id] { seen.withLock { $0.append(told) } }
                throw ServiceError(.unauthorized, code: "unauthorized", "This key is not known.")
            },
        ]
    }
}

@Suite("What passes through the gateway", .timeLimit(.minutes(5)))
struct RelayingTests {
    private func run(
        _ upstream: Troubled, _ body: @escaping @Sendable (_ address: String, Settings) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(upstream, settings: settings) { behind in
                let up = Upstream(name: "up", baseURL: "http://127.0.0.1:\(try #require(behind.port))", key: "k")
                let gateway = GatewayService(aliases: [("chat-7b", [up])], embedding: up, settings: settings, key: "k", logger: quiet)
                try await withRunning(gateway, settings: settings) { client in
                    try await body("http://127.0.0.1:\(try #require(client.port))", settings)
                }
            }
        }
    }

    private static func post(_ url: String, _ body: String, http: HTTPClient = .suite) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers = ["X-Request-ID": "mine"]
        request.body = .bytes(ByteBuffer(string: body))
        return try await http.execute(request, timeout: .seconds(120))
    }

    @Test("A stream that breaks off ends with an event that says so, whole whatever came before")
    func brokenStream() async throws {
        try await run(Troubled()) { address, _ in
            let answer = try await Self.post(
                address + "/v1/chat/completions", #"{"model":"chat-7b","stream":true,"messages":[{"role":"user"}]}"#)
            var parser = SSE.Parser()
            let events = parser.feed(try await answer.body.collect(upTo: 1 << 16).readableBytesView)
            #expect(events.count == 2 && events.last?.contains("upstream_broke_off") == true, "\(events)")
        }
    }

    @Test("A whole answer that breaks off breaks off for the client too, and nothing is written into it")
    func brokenAnswer() async throws {
        try await run(Troubled()) { address, _ in
            let answer = try await Self.post(address + "/v1/chat/completions", #"{"model":"chat-7b","messages":[{"role":"user"}]}"#)
            await #expect(throws: (any Error).self) { try await answer.body.collect(upTo: 1 << 16) }
        }
    }

    @Test("A key of the gateway's own that is refused is no fault of the client; the request's id is carried on")
    func refusedKey() async throws {
        let upstream = Troubled()
        try await run(upstream) { address, _ in
            let answer = try await Self.post(address + "/v1/embeddings", #"{"model":"embedding","input":"a"}"#)
            _ = try await answer.body.collect(upTo: 1 << 16)
            #expect(answer.status.code == 502)
        }
        #expect(upstream.seen.withLock { $0 } == ["mine"])
    }

    @Test("As many requests are relayed at once as the service takes in")
    func crowd() async throws {
        try await run(Troubled(crowd: 100)) { address, settings in
            let statuses = try await withThrowingTaskGroup(of: UInt.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        let answer = try await Self.post(
                            address + "/v1/completions", #"{"model":"chat-7b","prompt":"a"}"#, http: .relaying(settings))
                        _ = try await answer.body.collect(upTo: 1 << 16)
                        return answer.status.code
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 200, count: 100))
        }
    }
}
