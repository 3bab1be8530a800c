import Foundation
import HTTPTypes
import Hummingbird
import Suite

/// Refuses requests that a web page elsewhere, or a name rebound to this machine, had a browser send.
///
/// `Host` must name this machine; `Origin`, when present, must be the service itself or listed in `ALLOWED_ORIGINS`.
/// (DNS rebinding: https://owasp.org/www-community/attacks/DNS_Rebinding.)
struct OriginGuard: RouterMiddleware {
    typealias Context = CallContext

    private let hosts: Set<String>
    private let origins: Set<String>

    init(settings: Settings) {
        hosts = Set(["localhost", "127.0.0.1", "[::1]", settings.hostInURL.lowercased()] + Self.list(settings[SettingKeys.allowedHosts]))
        origins = Set(Self.list(settings[SettingKeys.allowedOrigins]))
    }

    func handle(_ request: Request, context: CallContext, next: (Request, CallContext) async throws -> Response) async throws -> Response {
        // The first Host is the authority; what is left is a second one, which somebody on the way may have gone by (RFC 9112, section 3.2).
        guard !request.headers.contains(.secondHost) else {
            throw ServiceError.badRequest("A request names its host once.", code: "host_not_unique")
        }
        let authority = (request.head.authority ?? "").lowercased()
        guard hosts.contains(Self.withoutPort(authority)) else {
            throw ServiceError(
                .init(code: 421, reasonPhrase: "Misdirected Request"), code: "host_not_allowed",
                "The Host header names “\(authority.prefix(100))”, which is not this service. Add it to ALLOWED_HOSTS if it is meant to be."
            )
        }
        guard let origin = request.headers[.origin]?.lowercased() else { return try await next(request, context) }
        let isOwn = origin == "http://" + authority || origin == "https://" + authority
        guard isOwn || origins.contains(origin) else {
            throw ServiceError(
                .forbidden, code: "origin_not_allowed",
                "A page of “\(origin.prefix(100))” may not call this service. Add it to ALLOWED_ORIGINS if it is meant to.")
        }
        if request.method == .options, request.headers[.accessControlRequestMethod] != nil {
            return Response(status: .noContent, headers: Self.preflight(origin))
        }
        return try await next(request, context)
    }

    private static func preflight(_ origin: String) -> HTTPFields {
        [
            .accessControlAllowOrigin: origin, .vary: "Origin", .accessControlAllowMethods: "GET, POST, PUT, PATCH, DELETE",
            .accessControlAllowHeaders: "Authorization, Content-Type, X-API-Key, X-Request-ID, traceparent", .accessControlMaxAge: "600",
        ]
    }

    fileprivate static func list(_ text: String) -> [String] {
        text.lowercased().split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// The host without its port; IPv6 addresses keep their brackets.
    static func withoutPort(_ authority: String) -> String {
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]"),
            authority[authority.index(after: colon)...].allSatisfy(\.isNumber)
        else { return authority }
        return String(authority[..<colon])
    }
}

/// Lets pages of `ALLOWED_ORIGINS` read what they are answered, errors too: without the header a browser hides from a page why it failed.
struct OriginHeaders: RouterMiddleware {
    typealias Context = CallContext

    private let origins: Set<String>

    init(settings: Settings) { origins = Set(OriginGuard.list(settings[SettingKeys.allowedOrigins])) }

    func handle(_ request: Request, context: CallContext, next: (Request, CallContext) async throws -> Response) async throws -> Response {
        var response = try await next(request, context)
        if let origin = request.headers[.origin]?.lowercased(), origins.contains(origin) {
            response.headers[.accessControlAllowOrigin] = origin
            response.headers[.vary] = "Origin"
        }
        return response
    }
}
