import AsyncHTTPClient
import HTTPTypes
import Hummingbird
import Metrics
import NIOCore
import NIOHTTP1
import Synchronization

/// Passes a request on to an upstream and its answer back, byte for byte and as it comes.
public struct Relay: Sendable {
    /// An answer that has begun: its head is there, its body comes. It counts as in progress for as long as anybody holds it, so that one
    /// whose client left at the last moment is not counted for good.
    public struct Answer: Sendable {
        public let head: HTTPClientResponse
        fileprivate let place: Place

        /// Whether it comes as events.
        public var isStream: Bool { head.headers.first(name: "content-type")?.hasPrefix("text/event-stream") == true }
    }

    fileprivate final class Place: Sendable {
        private let load: Load

        init(_ load: Load) {
            self.load = load
            load.change(by: 1)
        }

        deinit { load.change(by: -1) }
    }

    /// How many answers are in progress: counted here, and told as a metric.
    fileprivate final class Load: Sendable {
        private let meter: Meter
        private let counted = Mutex(0)

        init(service: String) { meter = Meter(label: "relay_requests_in_progress", dimensions: [("service", service)]) }

        var count: Int { counted.withLock { $0 } }

        func change(by step: Int) {
            counted.withLock { $0 += step }
            meter.increment(by: Double(step))
        }
    }

    /// Sees an answer pass by, without holding it up.
    public protocol Witness: Sendable {
        /// The next bytes, which the client has.
        func saw(_ part: ByteBuffer)
        /// The answer is over, and the client has all of it. Never called for one that broke off, on either side.
        func sawEnd()
    }

    private let name: String
    private let http: HTTPClient
    private let load: Load

    /// - Parameters:
    ///   - name: who relays, in metrics and errors.
    ///   - http: has a connection for each request at once; see ``AsyncHTTPClient/HTTPClient/relaying(_:)``.
    public init(name: String, http: HTTPClient) {
        self.name = name
        self.http = http
        load = Load(service: name)
    }

    /// Answers in progress.
    public var requestsInProgress: Int { load.count }

    /// Sends the request and answers with what comes. When the client goes away, the upstream connection is closed at once, also while
    /// nothing has come yet.
    ///
    /// - Throws: ``UpstreamError`` when no head of an answer comes within the limit.
    public func pass(_ upstream: HTTPClientRequest, for request: Request, headLimit: Duration) async throws -> Response {
        let answer = try await request.whileClientStays { try await begin(upstream, headLimit: headLimit) }
        return response(answer)
    }

    /// Waits for the head of the upstream's answer. Callers do so while the client stays; a request can be watched once.
    ///
    /// - Throws: ``UpstreamError`` when no head comes within the limit; 503 when this service itself has no connection left.
    public func begin(_ upstream: HTTPClientRequest, headLimit: Duration) async throws -> Answer {
        let place = Place(load)
        do {
            return Answer(head: try await http.execute(upstream, timeout: .nanoseconds(headLimit.nanoseconds)), place: place)
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPClientError where error == .getConnectionFromPoolTimeout {
            throw ServiceError.unavailable(
                "This service is at its limit of connections.", code: "overloaded", retryAfter: .seconds(1))
        } catch {
            throw UpstreamError(service: name, message: "\(error)")
        }
    }

    /// The answer to the client: the upstream's status and type, its body as it comes.
    ///
    /// - Parameters:
    ///   - witness: who else wants to know what the client is given.
    ///   - failure: the event to write when the upstream breaks off in the middle of a stream of events. Anything else breaks off
    ///     with it: a client could not tell a sentence of ours from the answer.
    public func response(
        _ answer: Answer, witness: (any Witness)? = nil, failure: (@Sendable (any Error) -> String)? = nil
    ) -> Response {
        let head = answer.head
        let type = head.headers.first(name: "content-type")
        let isEvents = answer.isStream
        var headers: HTTPFields = [:]
        if let type { headers[.contentType] = type }
        if let wait = head.headers.first(name: "retry-after") { headers[.retryAfter] = wait }
        if isEvents { headers[.cacheControl] = "no-cache" }
        // From here on a client that left shows in the next write: answers that are streamed write with every token.
        let body = ResponseBody { writer in
            defer { withExtendedLifetime(answer.place) {} }
            do {
                for try await part in head.body {
                    try await writer.write(part)
                    witness?.saw(part)
                }
            } catch {
                guard isEvents, let failure, !Task.isCancelled, !(error is ChannelError) else { throw error }
                // It may have broken off within an event, which a blank line ends.
                try await writer.write(ByteBuffer(string: "\n\n" + failure(error)))
                return try await writer.finish(nil)
            }
            try await writer.finish(nil)
            witness?.sawEnd()
        }
        return Response(status: .init(code: Int(head.status.code)), headers: headers, body: body)
    }
}
