import AsyncHTTPClient
import HTTPTypes
import Hummingbird
import Metrics
import NIOCore
import NIOHTTP1

/// Passes a request on to an upstream and its answer back, byte for byte and as it comes.
public struct Relay: Sendable {
    private let name: String
    private let http: HTTPClient
    private let inProgress: Meter

    /// - Parameter name: who relays, in metrics and errors.
    public init(name: String, http: HTTPClient = .suite) {
        self.name = name
        self.http = http
        inProgress = Meter(label: "relay_requests_in_progress", dimensions: [("service", name)])
    }

    /// Sends the request and answers with what comes. When the client goes away, the upstream connection is closed at once, also while
    /// nothing has come yet.
    ///
    /// - Throws: ``UpstreamError`` when no head of an answer comes within the limit.
    public func pass(_ upstream: HTTPClientRequest, for request: Request, headLimit: Duration) async throws -> Response {
        let head = try await request.whileClientStays { try await begin(upstream, headLimit: headLimit) }
        return answer(head, for: request)
    }

    /// Waits for the head of the upstream's answer. Callers do so while the client stays; a request can be watched once.
    public func begin(_ upstream: HTTPClientRequest, headLimit: Duration) async throws -> HTTPClientResponse {
        inProgress.increment(by: 1)
        do {
            return try await http.execute(upstream, timeout: .nanoseconds(headLimit.nanoseconds))
        } catch {
            inProgress.decrement(by: 1)
            if error is CancellationError { throw error }
            throw UpstreamError(service: name, message: "\(error)")
        }
    }

    /// Gives up an answer that was begun and will not be passed on.
    public func abandon() { inProgress.decrement(by: 1) }

    /// The answer to the client: the upstream's status and type, its body as it comes.
    ///
    /// - Parameter failure: what to write when the upstream breaks off in the middle; without it the connection just closes.
    public func answer(
        _ head: HTTPClientResponse, for request: Request, failure: (@Sendable (any Error) -> String)? = nil
    ) -> Response {
        var headers: HTTPFields = [:]
        if let type = head.headers.first(name: "content-type") { headers[.contentType] = type }
        if let wait = head.headers.first(name: "retry-after") { headers[.retryAfter] = wait }
        if head.headers.first(name: "content-type")?.hasPrefix("text/event-stream") == true { headers[.cacheControl] = "no-cache" }
        // From here on a client that left shows in the next write: answers that are streamed write with every token.
        let body = ResponseBody { [inProgress] writer in
            defer { inProgress.decrement(by: 1) }
            do {
                for try await part in head.body { try await writer.write(part) }
            } catch {
                guard let failure, !Task.isCancelled, !(error is ChannelError) else { throw error }
                try await writer.write(ByteBuffer(string: failure(error)))
            }
            try await writer.finish(nil)
        }
        return Response(status: .init(code: Int(head.status.code)), headers: headers, body: body)
    }
}
