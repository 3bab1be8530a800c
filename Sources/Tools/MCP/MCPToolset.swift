import Foundation
import ServiceKit
import SuiteAPI

/// What the protocol needs of the tools: which there are for a caller, the way of a call, and the approvals that calls wait for.
public protocol MCPToolset: Sendable {
    /// The tools that a caller may call, in the order of the catalogue.
    func tools(for caller: Caller) async throws -> [ToolDescriptor]

    /// Runs a call, or says that somebody has to approve it.
    ///
    /// - Throws: ``ServiceKit/ServiceError`` when it is refused or fails.
    func call(_ call: MCPCall) async throws -> MCPAnswer

    /// An approval as it stands once it is decided, or when the limit has passed.
    func decision(on approval: String, within limit: Duration) async throws -> MCPApproval

    /// The collections of documents that can be asked.
    ///
    /// - Throws: when that cannot be found out.
    func collections() async throws -> [String]

    /// Takes a request for approval back.
    func withdraw(_ approval: String, by caller: Caller) async throws
}

/// A call of a tool that came by the protocol.
public struct MCPCall: Sendable {
    public let tool: String
    public let arguments: JSONValue
    public let caller: Caller
    /// The approval that the call is to use, when it names one.
    public let approval: String?
    public let address: String?
    public let sessionID: String?
    public let requestID: String?
    /// A share from 0 to 1, and a sentence.
    public let progress: @Sendable (Double, String) async -> Void

    public init(
        tool: String, arguments: JSONValue, caller: Caller, approval: String? = nil, address: String? = nil, sessionID: String? = nil,
        requestID: String? = nil, progress: @escaping @Sendable (Double, String) async -> Void = { _, _ in }
    ) {
        self.tool = tool
        self.arguments = arguments
        self.caller = caller
        self.approval = approval
        self.address = address
        self.sessionID = sessionID
        self.requestID = requestID
        self.progress = progress
    }
}

/// What a call came to.
public enum MCPAnswer: Sendable {
    case done(ToolResult)
    case approvalNeeded(MCPApproval)
}

/// A request for approval, as far as the one who waits for it is told.
public struct MCPApproval: Sendable, Equatable {
    public let id: String
    /// `pending`, `approved`, `rejected`, `expired`, `cancelled` or `used`.
    public let status: String
    public let expiresAt: Date
    /// Why it was decided so.
    public let reason: String?

    public init(id: String, status: String, expiresAt: Date, reason: String? = nil) {
        self.id = id
        self.status = status
        self.expiresAt = expiresAt
        self.reason = reason
    }

    public var isPending: Bool { status == "pending" }

    /// What a client is told that cannot wait by the protocol's own means.
    var facts: JSONValue {
        ["approval_required": true, "request_id": .string(id), "expires_at": .string(expiresAt.ISO8601Format()), "status": .string(status)]
    }
}
