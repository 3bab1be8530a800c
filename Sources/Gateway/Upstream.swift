import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite

/// An OpenAI-compatible server behind the gateway.
struct Upstream: Sendable, Hashable {
    let name: String
    let baseURL: String
    let key: String?

    /// A call with a client's body, under the gateway's own key, that carries the request's id and trace on.
    func call(_ path: String, body: ByteBuffer) -> HTTPClientRequest {
        var call = HTTPClientRequest(url: baseURL + path)
        call.method = .POST
        call.headers = ["content-type": "application/json"]
        if let key { call.headers.add(name: "authorization", value: "Bearer \(key)") }
        if let scope = RequestScope.current {
            call.headers.add(name: "X-Request-ID", value: scope.requestID)
            call.headers.add(name: "traceparent", value: scope.trace.child.description)
        }
        call.body = .bytes(body)
        return call
    }
}

/// Whether an upstream is worth asking. Pure: time comes in, decisions come out.
///
/// Closed: requests go through. Open, after a failure: it is passed over for a while that doubles with each further failure. When the
/// while is over the next request tries it again, and a success closes the breaker.
struct Breaker: Sendable {
    private(set) var failures = 0
    private var openUntil: ContinuousClock.Instant?

    func allows(at now: ContinuousClock.Instant) -> Bool { openUntil.map { now >= $0 } ?? true }

    mutating func recordSuccess() { self = Breaker() }

    mutating func recordFailure(at now: ContinuousClock.Instant) {
        failures += 1
        var pause = Duration.milliseconds(500)
        for _ in 1..<failures where pause < .seconds(15) { pause *= 2 }
        openUntil = now.advanced(by: min(pause, .seconds(15)))
    }
}
