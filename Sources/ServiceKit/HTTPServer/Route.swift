import HTTPTypes
import Hummingbird

/// One entry of a service's route list. Router, permissions, metric labels and docs come from it.
public struct Route: Sendable {
    public typealias Handler = @Sendable (Request, CallContext) async throws -> Response

    /// Who may call a route.
    public enum Access: Sendable, Equatable {
        /// Everyone, without a key: liveness and readiness only.
        case open
        /// Callers with at least this role.
        case role(Role)
    }

    public let method: HTTPRequest.Method
    /// The path with `{parameters}`, as it stands in metric labels.
    public let path: String
    public let access: Access
    /// One sentence for the docs.
    public let summary: String
    /// Where on this server stands what clients without a valid token may read about it (RFC 9728); `nil` where there is nothing.
    public let metadata: String?
    /// Whether work stops when the client goes away. The connection then serves this one request, so it is for generation and streams.
    public let stopsWhenClientLeaves: Bool
    /// Bytes of a body up to which the work is too soon done for that: it is not stopped then, and the connection stays.
    public let shortBody: Int
    /// Whether the handler computes next to nothing between its waits. It then runs on the thread of its connection, which nobody has to be
    /// woken for; but no other connection of that thread is heard meanwhile. One with a body of more than ``longestBrief`` bytes never does.
    public let isBrief: Bool
    static let longestBrief = 8_192
    public private(set) var handler: Handler

    public init(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, access: Access = .role(.guest), metadata: String? = nil,
        stopsWhenClientLeaves: Bool = false, shortBody: Int = 0, isBrief: Bool = false,
        handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.access = access
        self.metadata = metadata
        self.stopsWhenClientLeaves = stopsWhenClientLeaves
        self.shortBody = shortBody
        self.isBrief = isBrief
        self.handler = handler
    }
}

extension Route {
    /// The same route with another handler.
    public func handled(by handler: @escaping Handler) -> Route {
        var route = self
        route.handler = handler
        return route
    }

    /// Whether the route answers even when the service is at its limit: what tells of its state is needed most then.
    var isAlwaysAdmitted: Bool { access == .open || path == "/metrics" }
}
