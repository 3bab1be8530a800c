/// What a caller may do; each role contains the ones before it.
public enum Role: String, Sendable, Codable, Comparable, CaseIterable {
    case guest, developer, service, admin

    public static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .guest: 0
        case .developer: 1
        case .service: 2
        case .admin: 3
        }
    }
}

/// An identity that asked for something.
public struct Caller: Sendable, Equatable {
    public let id: String
    public let role: Role?

    public init(id: String, role: Role?) {
        self.id = id
        self.role = role
    }

    /// Nobody in particular: allowed where a route is open to everyone.
    public static let anonymous = Caller(id: "anonymous", role: nil)
}

/// What a request says about who sends it.
public struct Credentials: Sendable {
    /// From `Authorization: Bearer`, `X-API-Key` or `api-key`.
    public let key: String?
    /// From `X-User-ID`.
    public let userID: String?

    public init(key: String?, userID: String?) {
        self.key = key
        self.userID = userID
    }
}

/// Says who calls. Security implements it; the executable puts the two together.
public protocol Authenticator: Sendable {
    /// - Returns: the caller, or `nil` when the credentials prove nobody.
    func caller(for credentials: Credentials) async -> Caller?
}
