import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat
import NIOHTTP1

/// Calls one HTTP service: JSON in and out, a deadline on every call, retries where the policy says, the request's id and trace carried on.
public struct ServiceClient: Sendable {
    public let name: String
    public let baseURL: String
    private let http: HTTPClient
    private let headers: [(String, String)]
    private let timeout: Duration
    private let retry: RetryPolicy

    /// - Parameters:
    ///   - name: what the service is called in errors.
    ///   - baseURL: scheme, host and port, without a trailing slash.
    ///   - key: sent as a bearer token.
    ///   - headers: sent besides, with every request.
    ///   - timeout: for a whole call, each attempt by itself.
    public init(
        name: String, baseURL: String, key: String? = nil, headers: [(String, String)] = [], timeout: Duration = .seconds(30),
        retry: RetryPolicy = .never, http: HTTPClient = .suite
    ) {
        self.name = name
        self.baseURL = baseURL
        self.http = http
        self.timeout = timeout
        self.retry = retry
        self.headers = headers + (key.map { [("Authorization", "Bearer \($0)")] } ?? [])
    }

    /// The same client with another time limit.
    public func with(timeout: Duration, retry: RetryPolicy? = nil) -> ServiceClient {
        ServiceClient(copy: self, timeout: timeout, retry: retry ?? self.retry)
    }

    private init(copy: ServiceClient, timeout: Duration, retry: RetryPolicy) {
        name = copy.name
        baseURL = copy.baseURL
        http = copy.http
        headers = copy.headers
        self.timeout = timeout
        self.retry = retry
    }

    /// Sends a request and decodes the answer.
    ///
    /// - Parameter headers: sent with this request.
    /// - Throws: ``UpstreamError`` when the service does not answer, answers with an error status, or answers something else than `Answer`.
    public func send<Answer: Decodable & Sendable>(
        _ method: HTTPMethod, _ path: String, body: (any Encodable & Sendable)? = nil, headers: [(String, String)] = [],
        as: Answer.Type = Answer.self
    ) async throws -> Answer {
        let bytes = try await bytes(method, path, body: body, headers: headers)
        do {
            return try JSONDecoder().decode(Answer.self, from: bytes)
        } catch {
            throw UpstreamError(service: name, status: 200, message: "its answer to \(method) \(path) cannot be read: \(error)")
        }
    }

    /// Sends a request and gives the answer's bytes.
    ///
    /// - Throws: ``UpstreamError`` as ``send(_:_:body:headers:as:)``.
    public func bytes(
        _ method: HTTPMethod, _ path: String, body: (any Encodable & Sendable)? = nil, headers: [(String, String)] = []
    ) async throws -> ByteBuffer {
        let request = try self.request(method, path, body: body, headers: headers)
        return try await retry.run {
            try await self.translatingFailures {
                try await withDeadline(timeout) {
                    let response = try await execute(request)
                    let bytes = try await response.body.collect(upTo: 256 << 20)
                    guard (200..<300).contains(response.status.code) else { throw self.failure(response, bytes) }
                    return bytes
                }
            }
        }
    }

    /// Sends a request and gives the answer as it comes. The time limit is for the head; leaving the body's loop closes the connection.
    ///
    /// - Throws: ``UpstreamError`` when there is no answer or an error status.
    ///
    /// - Parameter type: the type of content that is asked for, where a service has several.
    public func stream(
        _ method: HTTPMethod, _ path: String, body: (any Encodable & Sendable)? = nil, accepting type: String? = nil
    ) async throws -> HTTPClientResponse {
        let request = try self.request(method, path, body: body, headers: type.map { [("Accept", $0)] } ?? [])
        return try await translatingFailures {
            let response = try await execute(request)
            guard (200..<300).contains(response.status.code) else {
                throw self.failure(response, try await response.body.collect(upTo: 1 << 20))
            }
            return response
        }
    }

    /// What the service's `/health` says, ready or not.
    ///
    /// - Returns: `nil` when it does not answer in time, or with anything else than a JSON object.
    public func health() async -> JSONValue? {
        guard let request = try? request(.GET, "/health", body: nil) else { return nil }
        let body = try? await withDeadline(timeout) {
            let response = try await execute(request)
            return try JSONDecoder().decode(JSONValue.self, from: try await response.body.collect(upTo: 1 << 20))
        }
        return body?.objectValue.map(JSONValue.object)
    }

    private func request(
        _ method: HTTPMethod, _ path: String, body: (any Encodable & Sendable)?, headers own: [(String, String)] = []
    ) throws -> HTTPClientRequest {
        var request = HTTPClientRequest(url: baseURL + path)
        request.method = method
        for (name, value) in own + headers { request.headers.add(name: name, value: value) }
        if let scope = RequestScope.current {
            request.headers.add(name: "X-Request-ID", value: scope.requestID)
            request.headers.add(name: "traceparent", value: scope.trace.child.description)
        }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(data: try JSONEncoder.wire.encode(body)))
        }
        return request
    }

    private func execute(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        do {
            return try await http.execute(request, timeout: .nanoseconds(timeout.nanoseconds))
        } catch ChannelError.ioOnClosedChannel {
            // The other side closed the connection while nobody used it, and has not got the request whole: another connection may.
            return try await http.execute(request, timeout: .nanoseconds(timeout.nanoseconds))
        }
    }

    private func translatingFailures<Value: Sendable>(_ call: @Sendable () async throws -> Value) async throws -> Value {
        do {
            return try await call()
        } catch let error as UpstreamError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPClientError where error == .cancelled {
            throw CancellationError()
        } catch {
            throw UpstreamError(service: name, message: "\(error)")
        }
    }

    private func failure(_ response: HTTPClientResponse, _ body: ByteBuffer) -> UpstreamError {
        let told = try? JSONDecoder().decode(JSONValue.self, from: body)
        let message =
            told?["error"]?["message"]?.stringValue ?? told?["detail"]?.stringValue ?? told?["status"]?["error"]?.stringValue
            ?? told?["error"]?.stringValue ?? told?["reason"]?.stringValue ?? told?["message"]?.stringValue
            ?? String(String(buffer: body).prefix(300))
        return UpstreamError(
            service: name, status: Int(response.status.code), code: told?["error"]?["code"]?.stringValue ?? told?["code"]?.stringValue,
            message: message, retryAfter: response.headers.first(name: "Retry-After").flatMap { Int($0) }.map { .seconds($0) })
    }
}
