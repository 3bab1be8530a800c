import HTTPTypes
import Hummingbird
import Logging
import Metrics
import Synchronization

/// Counts and times every request until the last byte of its answer was written, streams included.
struct TelemetryMiddleware: RouterMiddleware {
    typealias Context = CallContext

    private let meters = Meters()

    func handle(_ request: Request, context: CallContext, next: (Request, CallContext) async throws -> Response) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        // The template, never the path itself: labels must stay few.
        let handler = context.endpointPath ?? "unknown"
        // What a stream comes to is known to nobody before its end; it counts by its requests alone.
        let sizes = (request.headers[.contentLength].flatMap { Int($0) } ?? 0, response.body.contentLength)
        let finish: @Sendable () -> Void = { [meters] in
            let elapsed = start.duration(to: .now)
            meters.record(handler: handler, method: request.method.rawValue, status: response.status.code, elapsed: elapsed, sizes: sizes)
            context.logger.debug(
                "request",
                metadata: [
                    "method": "\(request.method.rawValue)", "handler": "\(handler)", "status_code": "\(response.status.code)",
                    "duration_ms": "\(elapsed.milliseconds)",
                ])
        }
        guard response.body.contentLength == nil else {
            finish()
            return response
        }
        var timed = response
        let body = response.body
        timed.body = ResponseBody { writer in
            defer { finish() }
            try await body.write(writer)
        }
        return timed
    }
}

/// Handles are looked up once per label set, not once per request.
private final class Meters: Sendable {
    private struct Key: Hashable {
        let handler: String
        let method: String
        let status: Int
    }
    private struct Pair {
        let counter: Counter
        let timer: Timer
        let requestSize: Recorder
        let responseSize: Recorder
    }
    private let all = Timer(label: "http_request_duration_highr_seconds", dimensions: [])
    private let known = Mutex<[Key: Pair]>([:])

    func record(handler: String, method: String, status: Int, elapsed: Duration, sizes: (request: Int, response: Int?)) {
        // Unknown methods share a label for the same reason as unknown paths.
        let method = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"].contains(method) ? method : "other"
        let key = Key(handler: handler, method: method, status: status / 100)
        let pair = known.withLock { known in
            if let pair = known[key] { return pair }
            let pair = Pair(
                counter: Counter(
                    label: "http_requests_total",
                    dimensions: [("handler", handler), ("method", method), ("status", "\(key.status)xx")]),
                timer: Timer(label: "http_request_duration_seconds", dimensions: [("handler", handler), ("method", method)]),
                requestSize: Recorder(label: "http_request_size_bytes", dimensions: [("handler", handler)], aggregate: true),
                responseSize: Recorder(label: "http_response_size_bytes", dimensions: [("handler", handler)], aggregate: true))
            known[key] = pair
            return pair
        }
        pair.counter.increment()
        pair.timer.recordNanoseconds(elapsed.nanoseconds)
        all.recordNanoseconds(elapsed.nanoseconds)
        pair.requestSize.record(sizes.request)
        if let size = sizes.response { pair.responseSize.record(size) }
    }
}

extension Duration {
    /// Whole and fractional seconds.
    public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }

    /// Rounded down; saturates after 292 years.
    public var nanoseconds: Int64 { Int64(min(seconds * 1e9, 9e18)) }

    /// To the microsecond.
    public var milliseconds: Double { (seconds * 1e6).rounded() / 1e3 }
}
