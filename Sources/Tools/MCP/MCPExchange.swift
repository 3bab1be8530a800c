import ServiceKit

/// What is known of a request besides the request itself.
public struct MCPExchange: Sendable {
    public let caller: Caller
    public let revision: MCPRevision
    /// What the client can do, as it declared in this request (modern) or in its handshake (legacy).
    public let capabilities: JSONValue
    public let sessionID: String?
    public let address: String?
    /// The id under which logs and audit know the request.
    public let requestID: String?
    /// The least grave message that the client wants; `nil` for none.
    public let logLevel: MCPLogLevel?
    /// Sends a notification that belongs to the request; goes nowhere when the answer is a single JSON object.
    public let notify: @Sendable (JSONValue) async -> Void

    public init(
        caller: Caller, revision: MCPRevision, capabilities: JSONValue = [:], sessionID: String? = nil, address: String? = nil,
        requestID: String? = nil, logLevel: MCPLogLevel? = nil, notify: @escaping @Sendable (JSONValue) async -> Void = { _ in }
    ) {
        self.caller = caller
        self.revision = revision
        self.capabilities = capabilities
        self.sessionID = sessionID
        self.address = address
        self.requestID = requestID
        self.logLevel = logLevel
        self.notify = notify
    }

    /// Whether the client can hold a task in place of an answer.
    var takesTasks: Bool { revision.isModern && capabilities["extensions"]?[MCPTasks.extensionName]?.objectValue != nil }

    /// Whether the client can put a form before its user. An empty declaration means forms.
    var takesForms: Bool {
        guard let elicitation = capabilities["elicitation"]?.objectValue else { return false }
        return elicitation.isEmpty || elicitation["form"] != nil
    }

    /// Tells a client that asked for messages.
    func log(_ level: MCPLogLevel, _ data: JSONValue) async {
        guard let logLevel, level >= logLevel else { return }
        await notify(MCPReply.notification("notifications/message", ["level": .string(level.rawValue), "logger": "maru", "data": data]))
    }
}
