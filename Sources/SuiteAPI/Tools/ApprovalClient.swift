import Foundation
import NIOHTTP1
import ServiceKit
import Suite

/// An approval as its routes tell of it. Times are UTC, `YYYY-MM-DD HH:MM:SS`.
public struct ApprovalRow: Codable, Sendable, Equatable {
    public let request_id: String
    public let tool_name: String
    public let user_id: String
    public let role: String
    /// pending, approved, rejected, timeout, expired, cancelled or used.
    public let status: String
    public let requested_at: String
    public let expires_at: String
    /// Seconds until it can no longer be decided or, once approved, used; 0 when that is over.
    public let seconds_until_expiry: Int
    public let responded_at: String?
    public let responder_id: String?
    public let response_reason: String?
    public let used_at: String?
    /// The arguments as canonical JSON text; left out of lists where it is long, and for callers who are neither the asker nor an approver.
    public let request_data: String?
    public let digest: String?
    /// What the call would do, in full: a diff, a command.
    public let preview: String?

    public init(
        request_id: String, tool_name: String, user_id: String, role: String, status: String, requested_at: String, expires_at: String,
        seconds_until_expiry: Int, responded_at: String?, responder_id: String?, response_reason: String?, used_at: String?,
        request_data: String?, digest: String?, preview: String?
    ) {
        self.request_id = request_id
        self.tool_name = tool_name
        self.user_id = user_id
        self.role = role
        self.status = status
        self.requested_at = requested_at
        self.expires_at = expires_at
        self.seconds_until_expiry = seconds_until_expiry
        self.responded_at = responded_at
        self.responder_id = responder_id
        self.response_reason = response_reason
        self.used_at = used_at
        self.request_data = request_data
        self.digest = digest
        self.preview = preview
    }
}

/// `GET /api/v1/approvals`.
public struct ApprovalPage: Codable, Sendable {
    public let approvals: [ApprovalRow]
    public let total: Int
    public let limit: Int
    public let offset: Int

    public init(approvals: [ApprovalRow], total: Int, limit: Int, offset: Int) {
        self.approvals = approvals
        self.total = total
        self.limit = limit
        self.offset = offset
    }
}

/// `PUT /api/v1/approvals/{id}`.
public struct ApprovalDecision: Codable, Sendable {
    /// `approve` or `reject`.
    public let action: String
    public let reason: String?

    public init(action: String, reason: String?) {
        self.action = action
        self.reason = reason
    }
}

/// What a decision answers.
public struct ApprovalDecided: Codable, Sendable {
    public let status: String
    public let request_id: String
    public let responder: String

    public init(status: String, request_id: String, responder: String) {
        self.status = status
        self.request_id = request_id
        self.responder = responder
    }
}

/// Calls the approval routes of the tool server. Ids may be given by their first eight or more characters.
public struct ApprovalClient: Sendable {
    private let client: ServiceClient

    public init(_ client: ServiceClient) { self.client = client }

    /// Requests, the newest first.
    public func list(status: String? = nil, user: String? = nil, tool: String? = nil, limit: Int = 50, offset: Int = 0) async throws
        -> ApprovalPage
    {
        var query = ["limit=\(limit)", "offset=\(offset)"]
        for (name, value) in [("status", status), ("user_id", user), ("tool_name", tool)] {
            if let value { query.append("\(name)=\(Self.encoded(value))") }
        }
        return try await client.send(.GET, "/api/v1/approvals?" + query.joined(separator: "&"))
    }

    public func show(_ id: String) async throws -> ApprovalRow {
        try await client.send(.GET, "/api/v1/approvals/\(Self.encoded(id))")
    }

    /// Where a request stands; for the one who asked, too.
    public func status(_ id: String) async throws -> ApprovalRow {
        try await client.send(.GET, "/api/approvals/\(Self.encoded(id))/status")
    }

    public func decide(_ id: String, approve: Bool, reason: String?) async throws -> ApprovalDecided {
        try await client.send(
            .PUT, "/api/v1/approvals/\(Self.encoded(id))", body: ApprovalDecision(action: approve ? "approve" : "reject", reason: reason))
    }

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(
            withAllowedCharacters: .alphanumerics.intersection(.init(charactersIn: "\0"..."\u{7F}")).union(["-", "_", "."]))
            ?? ""
    }
}

extension SuiteClients {
    public var approvals: ApprovalClient { ApprovalClient(client(.mcpServer)) }
}
