import HTTPTypes

/// An error as a client sees it: the right status, a stable code, and a sentence that says what is wrong and what to do.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    public var status: HTTPResponse.Status
    /// Stable and machine-readable, in snake case.
    public var code: String
    public var message: String
    /// The request field the error is about.
    public var parameter: String?
    /// When it makes sense to try again.
    public var retryAfter: Duration?
    public var headers: HTTPFields

    public init(
        _ status: HTTPResponse.Status, code: String, _ message: String, parameter: String? = nil, retryAfter: Duration? = nil,
        headers: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter
        self.retryAfter = retryAfter
        self.headers = headers
    }

    public var description: String { "\(status.code) \(code): \(message)" }
}

extension ServiceError {
    /// 400: the request cannot be understood.
    public static func badRequest(_ message: String, code: String = "invalid_request", parameter: String? = nil) -> ServiceError {
        ServiceError(.badRequest, code: code, message, parameter: parameter)
    }

    /// 422: the request is understood, a value in it is not acceptable.
    public static func invalid(_ message: String, parameter: String? = nil) -> ServiceError {
        ServiceError(.unprocessableContent, code: "invalid_value", message, parameter: parameter)
    }

    /// 404.
    public static func notFound(_ message: String, code: String = "not_found") -> ServiceError {
        ServiceError(.notFound, code: code, message)
    }

    /// 409.
    public static func conflict(_ message: String, code: String = "conflict") -> ServiceError {
        ServiceError(.conflict, code: code, message)
    }

    /// 413: too large or too many.
    public static func tooLarge(_ message: String, parameter: String? = nil) -> ServiceError {
        ServiceError(.contentTooLarge, code: "too_large", message, parameter: parameter)
    }

    /// 503 with `Retry-After`.
    public static func unavailable(_ message: String, code: String = "unavailable", retryAfter: Duration = .seconds(5)) -> ServiceError {
        ServiceError(.serviceUnavailable, code: code, message, retryAfter: retryAfter)
    }
}
