import HTTPTypes

/// A call to another service that failed.
public struct UpstreamError: Error, Sendable, CustomStringConvertible {
    /// Whom we called, by the name people know.
    public let service: String
    /// The status it answered; `nil` when it did not answer.
    public let status: Int?
    /// Its machine-readable code, if it gave one.
    public let code: String?
    public let message: String
    /// The wait it asked for.
    public let retryAfter: Duration?

    public init(service: String, status: Int? = nil, code: String? = nil, message: String, retryAfter: Duration? = nil) {
        self.service = service
        self.status = status
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    /// Whether the same call may succeed a moment later: it did not answer, is overloaded, or is starting.
    public var isTransient: Bool {
        guard let status else { return true }
        return [408, 425, 429, 500, 502, 503, 504].contains(status)
    }

    public var description: String {
        let answered = status.map { "answered \($0)" } ?? "is not reachable"
        return "\(service) \(answered): \(message)"
    }

    /// What our own client is told: a fault of what we depend on is 503 (come back) or 502 (it answered wrongly), never 500.
    public var asServiceError: ServiceError {
        if isTransient { return .unavailable(description, code: "upstream_unavailable", retryAfter: retryAfter ?? .seconds(5)) }
        return ServiceError(.badGateway, code: "upstream_error", description)
    }
}
