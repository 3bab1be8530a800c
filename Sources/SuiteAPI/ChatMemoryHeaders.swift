/// The headers by which a chat uses memory, as the gateway reads and writes them.
public struct ChatMemoryHeaders: Sendable {
    /// `on` or `off`; in answers `on`, `read-only` or `unavailable`.
    public static let memory = "X-Memory"
    public static let project = "X-Memory-Project"
    public static let session = "X-Memory-Session"
    /// In answers: the number of conversations that were recalled.
    public static let used = "X-Memory-Used"

    /// Whose memory; `nil`: the caller's own.
    public let project: String?
    /// What the turns of one conversation have in common.
    public let session: String?

    public init(project: String? = nil, session: String? = nil) {
        self.project = project
        self.session = session
    }

    var fields: [(String, String)] {
        [(Self.memory, "on")] + [(Self.project, project), (Self.session, session)].compactMap { name, value in value.map { (name, $0) } }
    }
}
