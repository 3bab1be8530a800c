import HTTPTypes
import Hummingbird
import ServiceKit

/// What the tool server says of itself as a protected resource (RFC 9728), for clients that were answered 401. No authorization server is
/// named, since there is none: the stack's own keys, which an administrator makes, are the bearer tokens. They are taken from the header
/// alone, never from an address.
enum ProtectedResource {
    static let path = "/.well-known/oauth-protected-resource"

    static var routes: [Route] {
        [
            // The path of the resource stands after the well-known one (RFC 9728 §3.1); without, the whole server is meant.
            Route(.get, path, "What this server is to clients that look for its tokens (RFC 9728).", access: .open) { request, _ in
                .json(metadata(of: request.origin))
            },
            Route(.get, path + "/mcp", "The same of /mcp.", access: .open) { request, _ in .json(metadata(of: request.origin + "/mcp")) },
        ]
    }

    private static func metadata(of resource: String) -> JSONValue {
        ["resource": .string(resource), "resource_name": "Maru", "bearer_methods_supported": ["header"]]
    }
}
