/// The services of the suite, by the names they have in commands, logs, metrics and compose files.
public enum ServiceID: String, CaseIterable, Sendable, Codable, Hashable {
    case inferenceChat = "inference-chat"
    case inferenceCode = "inference-code"
    case gateway = "api-gateway"
    case embedding
    case qdrant
    case rag
    case mcpServer = "mcp-server"
    case memoryAPI = "memory-api"
    case memoryMaintainer = "memory-maintainer"
}

extension ServiceID: CustomStringConvertible {
    public var description: String { rawValue }
}

/// How much of the stack a start brings up; each profile contains the one before it.
public enum Profile: String, CaseIterable, Sendable, Comparable {
    /// Chat behind the gateway.
    case p1
    /// Chat, code, embedding, vectors and retrieval.
    case p2
    /// Everything.
    case p3

    public static func < (left: Profile, right: Profile) -> Bool { left.rawValue < right.rawValue }
}
