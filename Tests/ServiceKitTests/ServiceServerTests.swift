import AsyncHTTPClient
import CoreMetrics
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOPosix
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

/// Holds a thread up.
private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func wait() { semaphore.wait() }
    func open() { semaphore.signal() }
}

/// A service with a route for each thing that can happen.
private struct Sample: SuiteService {
    let id = ServiceID.rag
    let errorShape: ErrorShape
    /// Told of each request to `/slow` that is being worked on.
    let entered = AsyncStream<Void>.makeStream()
    let gate = Gate()
    /// Told of each request to `/staying` whose client left.
    let left = AsyncStream<Void>.makeStream()
    struct Body: Decodable, Sendable {
        let count: Int
    }

    var routes: [Route] {
        [
            Route(.post, "/count", "Takes a number.") { request, context in
                .json(["count": try await request.decode(Body.self, context).count])
            },
            Route(.post, "/watched", "Takes a number while the client stays.", stopsWhenClientLeaves: true) { request, context in
                let body = try await request.decode(Body.self, context)
                return .json(try await request.whileClientStays { ["count": body.count] })
            },
            Route(.post, "/short", "Takes what is short without watching the client.", stopsWhenClientLeaves: true, shortBody: 16) {
                request, context in
                let body = try await request.decode(Body.self, context)
                return .json(try await request.whileClientStays { ["count": body.count] })
            },
            Route(.post, "/staying", "Watches the client by its own choice.") { request, _ in
                var request = request
                _ = try await request.collectBody(upTo: 16)
                entered.continuation.yield()
                return try await request.whileClientStays {
                    defer { if Task.isCancelled { left.continuation.yield() } }
                    try await Task.sleep(for: .seconds(600))
                    return Response(status: .ok)
                }
            },
            Route(.get, "/slow", "Takes long.") { _, _ in
                entered.continuation.yield()
                try await Task.sleep(for: .seconds(600))
                return Response(status: .ok)
            },
            Route(.get, "/computes", "Takes its thread until it is let go.") { _, _ in
                entered.continuation.yield()
                gate.wait()
                return Response(status: .ok)
            },
            Route(.get, "/broken", "Fails.") { _, _ in throw UpstreamError(service: "other", message: "refused") },
            Route(.get, "/admin", "For administrators.", access: .role(.admin)) { _, _ in Response(status: .ok) },
        ]
    }

    func health() async -> Health { Health(.loading, reason: "not yet") }
}

@Suite("What every service keeps")
struct ServiceServerTests {
    private func run(
        _ shape: ErrorShape = .detail, _ values: [String: String] = [:], role: Role = .developer,
        _ body: @escaping @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            try await withRunning(
                Sample(errorShape: shape), settings: try await Settings.test(values, folder: folder), authenticator: OpenDoor(role: role),
                body)
        }
    }

    private func json(_ response: TestResponse) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(buffer: response.body))
    }

    @Test(
        "A connection that was watched says that it ends, after an answer and after an error",
        arguments: [(#"{"count":1}"#, 200), ("{}", 422)])
    func watched(body: String, status: Int) async throws {
        try await run { client in
            let plain = try await client.execute(uri: "/count", method: .post, body: ByteBuffer(string: body))
            let watched = try await client.execute(uri: "/watched", method: .post, body: ByteBuffer(string: body))
            #expect(watched.status.code == status && watched.headers[.connection] == "close")
            #expect(plain.status.code == status && plain.headers[.connection] == nil)
        }
    }

    @Test(
        "Errors have right status codes and name the field",
        arguments: [
            ("not json", 400), ("[1]", 422), ("{}", 422), (#"{"count":"x"}"#, 422), (#"{"count":1}"#, 200),
        ])
    func decoding(body: String, status: Int) async throws {
        try await run { client in
            let response = try await client.execute(uri: "/count", method: .post, body: ByteBuffer(string: body))
            #expect(response.status.code == status)
            if body == "{}" { #expect(try json(response)["parameter"]?.stringValue == "count") }
        }
    }

    @Test("A body past the bound is 413, announced or not")
    func oversized() async throws {
        try await run(.openAI, ["MAX_BODY_BYTES": "1024"]) { client in
            let response = try await client.execute(uri: "/count", method: .post, body: ByteBuffer(repeating: 32, count: 2_000))
            #expect(response.status == .contentTooLarge)
            #expect(try json(response)["error"]?["code"]?.stringValue == "too_large")
        }
    }

    @Test("An unknown path is 404, a wrong method 405 with what is allowed")
    func unknown() async throws {
        try await run(.qdrant) { client in
            let missing = try await client.execute(uri: "/nowhere", method: .get)
            #expect(missing.status == .notFound)
            #expect(try json(missing)["status"]?["error"] != nil)
            let wrong = try await client.execute(uri: "/count", method: .get)
            #expect(wrong.status == .methodNotAllowed)
            #expect(wrong.headers[.allow] == "POST")
        }
    }

    @Test("A service that is not ready says 503 and when to come back; alive it is all the same")
    func health() async throws {
        try await run { client in
            let health = try await client.execute(uri: "/health", method: .get)
            #expect(health.status == .serviceUnavailable)
            #expect(health.headers[.retryAfter] != nil)
            #expect(try await client.execute(uri: "/livez", method: .get).status == .ok)
        }
    }

    @Test("A dependency that is away is 503 with Retry-After, never 500")
    func upstream() async throws {
        try await run { client in
            let response = try await client.execute(uri: "/broken", method: .get)
            #expect(response.status == .serviceUnavailable)
            #expect(response.headers[.retryAfter] != nil)
        }
    }

    @Test("Past the bound of requests in work comes 503, and time that runs out is 504; metrics are told all the while")
    func bounds() async throws {
        try await withScratchFolder { folder in
            let sample = Sample(errorShape: .detail)
            let settings = try await Settings.test(["MAX_CONCURRENT_REQUESTS": "1", "REQUEST_TIMEOUT": "3"], folder: folder)
            try await withRunning(sample, settings: settings) { client in
                async let slow = client.execute(uri: "/slow", method: .get)
                for await _ in sample.entered.stream { break }
                let refused = try await Self.status("/broken", client)
                #expect(refused == 503)
                let metrics = try await Self.status("/metrics", client)
                #expect(metrics == 200)
                #expect(try await slow.status == .gatewayTimeout)
            }
        }
    }

    @Test("While a handler computes, every other connection is heard", .timeLimit(.minutes(2)))
    func computing() async throws {
        try await withScratchFolder { folder in
            let sample = Sample(errorShape: .detail)
            try await withRunning(sample, settings: try await Settings.test(folder: folder)) { client in
                async let computing = client.execute(uri: "/computes", method: .get)
                for await _ in sample.entered.stream { break }
                defer { sample.gate.open() }
                // Each takes a connection of its own, so that every thread that reads some has one.
                try await withThrowingTaskGroup(of: UInt.self) { group in
                    for _ in 0..<8 { group.addTask { try await Self.status("/livez", client) } }
                    for try await status in group { #expect(status == 200) }
                }
                sample.gate.open()
                #expect(try await computing.status == .ok)
            }
        }
    }

    @Test("A handler that watches its client stops when that one leaves, whatever its route says", .timeLimit(.minutes(2)))
    func leaving() async throws {
        try await withScratchFolder { folder in
            let sample = Sample(errorShape: .detail)
            try await withRunning(sample, settings: try await Settings.test(folder: folder)) { client in
                let channel = try await Self.connect(client)
                try await channel.writeAndFlush(
                    ByteBuffer(string: "POST /staying HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"))
                for await _ in sample.entered.stream { break }
                try await channel.close()
                for await _ in sample.left.stream { break }
            }
        }
    }

    @Test("After a short body the connection stays, after a long one it does not")
    func short() async throws {
        try await run { client in
            for (body, isClosed) in [(#"{"count":1}"#, false), (#"{"count":1,      "x":2}"#, true)] {
                let answer = try await client.execute(uri: "/short", method: .post, body: ByteBuffer(string: body))
                #expect(answer.status == .ok && (answer.headers[.connection] == "close") == isClosed)
            }
        }
    }

    @Test("A connection that goes silent in the middle of a request does not stay", .timeLimit(.minutes(2)))
    func silent() async throws {
        try await withScratchFolder { folder in
            let server = ServiceServer(
                Sample(errorShape: .detail), settings: try await Settings.test(folder: folder), authenticator: OpenDoor(),
                registry: PrometheusRegistry(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await server.application(port: 0, idleLimit: .milliseconds(200)).test(.live) { client in
                let channel = try await Self.connect(client)
                // On a busy machine the connection may be given up before a byte of it was sent.
                try? await channel.writeAndFlush(ByteBuffer(string: "GET /livez HTTP/1.1\r\nHost: local"))
                try await channel.closeFuture.get()
            }
        }
    }

    @Test("A body that does not come whole is given up in time, and the place it held is free again", .timeLimit(.minutes(2)))
    func unfinished() async throws {
        try await run(.detail, ["REQUEST_TIMEOUT": "1", "MAX_CONCURRENT_REQUESTS": "1"]) { client in
            let channel = try await Self.connect(client)
            try await channel.writeAndFlush(
                ByteBuffer(string: "POST /watched HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"))
            while try await Self.status("/broken", client) != 503 { await Task.yield() }
            // 503 at first for want of a place; this one has one, and is told what is wrong with it.
            var answer = try await client.execute(uri: "/watched", method: .post, body: ByteBuffer(string: "{}"))
            while answer.status == .serviceUnavailable {
                answer = try await client.execute(uri: "/watched", method: .post, body: ByteBuffer(string: "{}"))
            }
            #expect(answer.status == .unprocessableContent)
            try? await channel.close()
        }
    }

    private static func connect(_ client: any TestClientProtocol) async throws -> any Channel {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: try #require(client.port)).get()
    }

    /// Over a connection of its own: the test client has one, which waits for the answer before.
    private static func status(_ path: String, _ client: any TestClientProtocol) async throws -> UInt {
        let request = HTTPClientRequest(url: "http://127.0.0.1:\(try #require(client.port))\(path)")
        let response = try await HTTPClient.suite.execute(request, timeout: .seconds(10))
        _ = try await response.body.collect(upTo: 1 << 20)
        return response.status.code
    }

    @Test("A role that does not suffice is 403")
    func roles() async throws {
        try await run(role: .developer) { client in
            let response = try await client.execute(uri: "/admin", method: .get)
            #expect(response.status == .forbidden)
        }
        try await run(role: .admin) { client in
            let response = try await client.execute(uri: "/admin", method: .get)
            #expect(response.status == .ok)
        }
    }

    @Test(
        "Hosts and pages from elsewhere are refused",
        arguments: [
            ("localhost:1", nil, 200), ("127.0.0.1:1", nil, 200), ("[::1]:1", nil, 200), ("evil.example", nil, 421),
            ("127.0.0.1.evil.example", nil, 421),
            ("localhost:1", "http://localhost:1", 200), ("localhost:1", "http://evil.example", 403), ("localhost:1", "null", 403),
            ("localhost:1", "http://localhost:2", 403),
        ] as [(String, String?, Int)])
    func origins(host: String, origin: String?, status: Int) async throws {
        try await run { client in
            // The client takes the port's own name for Host unless one is set.
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(try #require(client.port))/livez")
            request.headers.replaceOrAdd(name: "Host", value: host)
            if let origin { request.headers.add(name: "Origin", value: origin) }
            let response = try await HTTPClient.suite.execute(request, timeout: .seconds(10))
            #expect(response.status.code == UInt(status))
            _ = try await response.body.collect(upTo: 1 << 16)
        }
    }

    @Test("A request with two hosts is refused, whichever of them is this one's")
    func twoHosts() async throws {
        try await run { client in
            var request = HTTPClientRequest(url: "http://127.0.0.1:\(try #require(client.port))/livez")
            request.headers.add(name: "Host", value: "localhost")
            request.headers.add(name: "Host", value: "evil.example")
            let response = try await HTTPClient.suite.execute(request, timeout: .seconds(10))
            #expect(response.status.code == 400)
            _ = try await response.body.collect(upTo: 1 << 16)
        }
    }

    @Test("An answer to HEAD has no body, which would be read as the next answer")
    func head() async throws {
        try await run { client in
            for path in ["/livez", "/nowhere"] {
                let response = try await client.execute(uri: path, method: .head)
                #expect(response.status.code >= 400 && response.body.readableBytes == 0)
            }
        }
    }

    @Test("A page that may call is told of errors too; another learns nothing", arguments: ["/livez", "/broken", "/nowhere"])
    func originHeaders(path: String) async throws {
        try await run(.detail, ["ALLOWED_ORIGINS": "http://page.example"]) { client in
            for (origin, allowed) in [("http://page.example", "http://page.example"), ("http://evil.example", nil)] as [(String, String?)] {
                let response = try await client.execute(uri: path, method: .get, headers: [.origin: origin])
                #expect(response.headers[.accessControlAllowOrigin] == allowed)
            }
        }
    }

    @Test("weakness_62_metrics_exist_with_honest_buckets")
    func weakness_62_metrics() async throws {
        try await run { client in
            let text = String(buffer: try await client.execute(uri: "/metrics", method: .get).body)
            #expect(text.contains("process_resident_memory_bytes"))
        }
        let registry = PrometheusRegistry()
        registry.makeTimer(label: "t_seconds", dimensions: [("a", "x\"y")]).recordNanoseconds(700_000)
        let text = registry.text()
        #expect(text.contains(#"t_seconds_bucket{a="x\"y",le="0.0005"} 0"#))
        #expect(text.contains(#"t_seconds_bucket{a="x\"y",le="0.001"} 1"#))
        #expect(text.contains(#"t_seconds_bucket{a="x\"y",le="+Inf"} 1"#))
    }

    @Test("What takes minutes has buckets of minutes; bytes are summed, not put into buckets of seconds")
    func ownBuckets() {
        let registry = PrometheusRegistry(bounds: ["wait_seconds": [60, 600]])
        registry.makeTimer(label: "wait_seconds", dimensions: []).recordNanoseconds(90_000_000_000)
        for size in [100, 20] as [Int64] {
            registry.makeRecorder(label: "body_bytes", dimensions: [("h", "/")], aggregate: true).record(size)
        }
        let text = registry.text()
        #expect(text.contains("wait_seconds_bucket{le=\"60\"} 0\nwait_seconds_bucket{le=\"600\"} 1\nwait_seconds_bucket{le=\"+Inf\"} 1\n"))
        #expect(text.contains("# TYPE body_bytes summary\nbody_bytes_sum{h=\"/\"} 120\nbody_bytes_count{h=\"/\"} 2\n"))
    }
}
