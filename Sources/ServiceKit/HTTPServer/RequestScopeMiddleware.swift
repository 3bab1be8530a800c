import HTTPTypes
import Hummingbird

/// Gives each request its id and trace, for logs, for calls to other services, and for the answer's headers.
struct RequestScopeMiddleware: RouterMiddleware {
    typealias Context = CallContext

    func handle(_ request: Request, context: CallContext, next: (Request, CallContext) async throws -> Response) async throws -> Response {
        let scope = RequestScope(
            requestID: RequestScope.acceptable(request.headers[.xRequestID]) ?? RequestScope.makeID(),
            trace: TraceParent(header: request.headers[.traceparent])?.child ?? TraceParent())
        return try await RequestScope.$current.withValue(scope) {
            var response = try await next(request, context)
            response.headers[.xRequestID] = scope.requestID
            return response
        }
    }
}

extension HTTPField.Name {
    public static let xRequestID = Self.known("X-Request-ID")
    public static let traceparent = Self.known("traceparent")
    public static let prefer = Self.known("Prefer")
    public static let xAPIKey = Self.known("X-API-Key")
    static let xForwardedProto = Self.known("X-Forwarded-Proto")
    public static let apiKey = Self.known("api-key")
    public static let xUserID = Self.known("X-User-ID")
    static let secondHost = Self.known("Host")

    /// A name written here in the source; one that breaks RFC 9110 is a programming error.
    private static func known(_ name: String) -> Self {
        guard let field = Self(name) else { preconditionFailure("\(name) is no header name") }
        return field
    }
}
