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
    /// What routes are open to it.
    public let role: Role?
    /// The role's own name, which for one that an administrator made is not that of ``role``.
    public let roleName: String
    /// Whether its chats use memory where the request does not say: a setting of the key it came with.
    public let usesMemory: Bool

    public init(id: String, role: Role?, roleName: String? = nil, usesMemory: Bool = false) {
        self.id = id
        self.role = role
        self.roleName = roleName ?? role?.rawValue ?? "none"
        self.usesMemory = usesMemory
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
    /// - Throws: when that cannot be found out; nobody is let in then.
    func caller(for credentials: Credentials) async throws -> Caller?
}
