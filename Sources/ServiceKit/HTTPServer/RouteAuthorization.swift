import Foundation
import HTTPTypes
import Hummingbird

/// Finds out who calls and whether the route is theirs to call.
struct RouteAuthorization: Sendable {
    let authenticator: any Authenticator

    /// - Throws: 401 without valid credentials, 403 when the role does not suffice. Each says how in `WWW-Authenticate` (RFC 6750 §3).
    func authorize(_ request: Request, for route: Route) async throws -> Caller {
        guard case .role(let needed) = route.access else { return .anonymous }
        let credentials = Credentials(key: Self.key(in: request.headers), userID: request.headers[.xUserID])
        guard let caller = try await authenticator.caller(for: credentials), let role = caller.role else {
            throw ServiceError(
                .unauthorized, code: credentials.key == nil ? "missing_api_key" : "invalid_api_key",
                credentials.key == nil
                    ? "A key is needed: send it as “Authorization: Bearer …” or “X-API-Key”."
                    : "This key is not valid here. Keys are shown once when they are made; make a new one if it is lost.",
                headers: [
                    .wwwAuthenticate: Self.challenge(credentials.key == nil ? nil : "invalid_token", request, route)
                ])
        }
        guard role >= needed else {
            throw ServiceError(
                .forbidden, code: "permission_denied", "This needs the role \(needed.rawValue); the caller has \(role.rawValue).",
                headers: [.wwwAuthenticate: Self.challenge("insufficient_scope", request, route)])
        }
        return caller
    }

    private static func challenge(_ error: String?, _ request: Request, _ route: Route) -> String {
        var parameters: [String] = []
        if let error { parameters.append("error=\"\(error)\"") }
        if let path = route.metadata { parameters.append("resource_metadata=\"\(request.origin)\(path)\"") }
        return parameters.isEmpty ? "Bearer" : "Bearer " + parameters.joined(separator: ", ")
    }

    /// The three places where the clients of our protocols put a key.
    static func key(in headers: HTTPFields) -> String? {
        if let authorization = headers[.authorization], authorization.count > 7, authorization.prefix(7).lowercased() == "bearer " {
            return String(authorization.dropFirst(7)).trimmingCharacters(in: .whitespaces)
        }
        return headers[.xAPIKey] ?? headers[.apiKey]
    }
}

extension Request {
    /// This server as the client addressed it. The name was let in by ``OriginGuard``; a proxy that ends TLS says so.
    public var origin: String {
        (headers[.xForwardedProto]?.lowercased() == "https" ? "https://" : "http://") + (head.authority ?? "localhost")
    }
}
