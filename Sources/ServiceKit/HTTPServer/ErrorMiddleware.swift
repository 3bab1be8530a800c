import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Turns whatever a handler throws into an answer of the service's error shape.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = CallContext

    let shape: ErrorShape
    let routes: [Route]

    func handle(_ request: Request, context: CallContext, next: (Request, CallContext) async throws -> Response) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            var answer = describe((error as? LastOnConnection)?.cause ?? error, request: request)
            if error is LastOnConnection { answer.headers[.connection] = "close" }
            if answer.status.code >= 500 {
                context.logger.error("\(answer.message)", metadata: ["code": "\(answer.code)", "cause": "\(error)"])
            }
            let response = shape.response(for: answer, requestID: RequestScope.current?.requestID ?? "")
            // No route takes HEAD, so its answer is always an error. A body would be read as the next answer (RFC 9110, section 9.3.2).
            return request.method == .head ? response.createHeadResponse() : response
        }
    }

    private func describe(_ error: any Error, request: Request) -> ServiceError {
        switch error {
        case let error as ServiceError: error
        case let error as UpstreamError: error.asServiceError
        case let error as HTTPError where error.status == .notFound: unknownRoute(request)
        case let error as HTTPError:
            ServiceError(error.status, code: "http_\(error.status.code)", error.body ?? error.status.reasonPhrase, headers: error.headers)
        case is NIOTooManyBytesError: .tooLarge("The request body is larger than MAX_BODY_BYTES allows.")
        // Nobody is left to read it; the status is what nginx logs for the same case.
        case is CancellationError:
            ServiceError(.init(code: 499, reasonPhrase: "Client Closed Request"), code: "cancelled", "The request was cancelled.")
        default:
            ServiceError(
                .internalServerError, code: "internal_error", "Something went wrong here; the log has the details under this request id.")
        }
    }

    private func unknownRoute(_ request: Request) -> ServiceError {
        let methods = routes.filter { $0.matches(path: request.uri.path) }.map(\.method.rawValue)
        guard !methods.isEmpty else { return .notFound("There is no \(request.uri.path) here.", code: "unknown_route") }
        return ServiceError(
            .methodNotAllowed, code: "method_not_allowed", "\(request.uri.path) takes \(methods.joined(separator: ", ")).",
            headers: [.allow: methods.joined(separator: ", ")])
    }
}

/// An error of a handler that watched its connection: the connection ends with the answer, and the client must be told, or it would send
/// its next request into a closed one.
struct LastOnConnection: Error {
    let cause: any Error
}

extension Route {
    /// Whether a request path is one of this route's.
    func matches(path: String) -> Bool {
        let own = self.path.split(separator: "/")
        let other = path.split(separator: "/")
        return own.count == other.count && zip(own, other).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
}
