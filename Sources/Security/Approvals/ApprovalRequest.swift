import Foundation
import ServiceKit

/// Where an approval stands. From ``pending`` and ``approved`` it goes on; every other state is its end.
public enum ApprovalStatus: String, Sendable, Codable, CaseIterable {
    case pending, approved, rejected
    /// Whoever waited for the decision gave up.
    case timeout
    /// Nobody decided in time, or the approval was not used in time.
    case expired
    case cancelled
    /// The one call that the approval was for has been let through.
    case used

    public var isFinal: Bool { self != .pending && self != .approved }
}

/// A call that waits for somebody's word, or had it.
public struct ApprovalRequest: Sendable, Equatable {
    public var id: UUID
    public var tool: String
    /// Whose call it is; nobody else can use the approval.
    public var userID: String
    public var role: String
    /// The arguments as canonical JSON (``CallDigest``), so that what is approved is what is run. Empty in lists where they are long.
    public var arguments: String
    public var digest: String
    public var status: ApprovalStatus
    public var requestedAt: Date
    /// Until when it can be decided; once approved, until when it can be used.
    public var expiresAt: Date
    public var respondedAt: Date?
    public var responderID: String?
    public var reason: String?
    public var usedAt: Date?
    /// What an approver is shown besides the arguments: a diff, a command in full.
    public var preview: String?
    /// Who made the request, where that was not the user whose call it is.
    public var createdBy: String?

    /// The id as it is stored and written: lower case.
    public var idText: String { id.uuidString.lowercased() }

    /// What is enough of the id for people.
    public var shortID: String { String(idText.prefix(8)) }
}

/// What callers may do with approvals, by the names that the security database gives permissions.
public enum ApprovalPermission: String, Sendable, CaseIterable {
    case view = "approval:view"
    case create = "approval:create"
    case approve = "approval:approve"
    case reject = "approval:reject"
    case cancel = "approval:cancel"
}

/// Who may decide. Administrators may always; whom else, the directory of users knows.
public protocol ApproverDirectory: Sendable {
    /// Whether a caller holds a permission now: asked for each decision, so that a role that was taken away counts at once.
    func holds(_ permission: ApprovalPermission, _ caller: Caller) async throws -> Bool
    /// Whether there is an active user other than this one who may approve and has a key that is valid.
    func hasApprover(besides userID: String) async throws -> Bool
}
