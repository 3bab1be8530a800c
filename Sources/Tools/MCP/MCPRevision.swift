/// A revision of the protocol that is spoken here (https://modelcontextprotocol.io/specification/).
public enum MCPRevision: String, Sendable, CaseIterable {
    case june2025 = "2025-06-18"
    case november2025 = "2025-11-25"
    /// Stateless: each request says of itself what the older revisions agree on in a handshake.
    case july2026 = "2026-07-28"

    public var isModern: Bool { self == .july2026 }

    static let newestFirst: [MCPRevision] = allCases.reversed()

    /// What an `initialize` comes to: the revision asked for, or the newest that has a handshake; the client decides whether to go on.
    static func negotiated(_ requested: String) -> MCPRevision {
        guard let revision = MCPRevision(rawValue: requested), !revision.isModern else { return .november2025 }
        return revision
    }
}

/// How grave a message of the server's is (RFC 5424), as clients ask for messages.
public enum MCPLogLevel: String, Sendable, Comparable, CaseIterable {
    case debug, info, notice, warning, error, critical, alert, emergency

    public static func < (left: MCPLogLevel, right: MCPLogLevel) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
