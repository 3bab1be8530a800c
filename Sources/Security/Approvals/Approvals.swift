import Foundation
import GRDB
import HTTPTypes
import ServiceKit
import Suite

/// Carries out ``ApprovalLifecycle`` over the security database: every change is one guarded UPDATE in one transaction, together with the
/// mail about it, so that of two processes one wins and nothing that was acknowledged is lost.
public struct Approvals: Sendable {
    let database: any DatabaseWriter
    let lifetime: TimeInterval
    let maxPending: Int
    let retention: TimeInterval
    let directory: any ApproverDirectory
    let notices: ApprovalNotices?
    let now: @Sendable () -> Date
    let metrics = ApprovalMetrics()
    let signals = ApprovalSignals()

    /// - Parameters:
    ///   - database: the security database, migrated with ``registerApprovals(_:)`` and with `synchronous=FULL`.
    ///   - directory: who may decide besides administrators.
    public init(
        database: any DatabaseWriter, settings: Settings, directory: any ApproverDirectory,
        now: @escaping @Sendable () -> Date = { .now }
    ) {
        self.database = database
        lifetime = TimeInterval(settings[SettingKeys.approvalTimeout])
        maxPending = settings[SettingKeys.approvalMaxPending]
        retention = TimeInterval(settings[SettingKeys.auditRetentionDays]) * 86_400
        self.directory = directory
        notices = settings[SettingKeys.notificationEnabled] ? ApprovalNotices() : nil
        self.now = now
    }

    /// Asks for approval. A request for the very same call that still waits is given again.
    ///
    /// - Parameter createdBy: who asks, where that is not the user whose call it is; that person cannot decide it either.
    /// - Throws: 403 `approval_queue_full` when `APPROVAL_MAX_PENDING` requests wait.
    public func request(
        tool: String, digest: String, arguments: String, preview: String?, caller: Caller, createdBy: String? = nil
    ) async throws -> ApprovalRequest {
        let moment = now()
        let made = ApprovalRequest(
            id: UUID(), tool: tool, userID: caller.id, role: caller.roleName, arguments: arguments, digest: digest,
            status: .pending, requestedAt: moment, expiresAt: moment + lifetime, preview: preview, createdBy: createdBy)
        let (found, isNew, expired) = try await database.write { db in
            let expired = try expireOverdue(db, at: moment)
            let same = try Row.fetchOne(
                db,
                sql: """
                    SELECT \(ApprovalRequest.columns) FROM approval_requests
                    WHERE digest = ? AND user_id = ? AND tool_name = ? AND status = 'pending' AND created_by IS ?
                    """, arguments: [digest, caller.id, tool, createdBy]
            ).map(ApprovalRequest.init(row:))
            if let same { return (same as ApprovalRequest?, false, expired) }
            let waiting = try Int.fetchOne(db, sql: "SELECT count(*) FROM approval_requests WHERE status = 'pending'") ?? 0
            guard waiting < maxPending else { return (nil, false, expired) }
            try made.insert(db)
            try notices?.tell(of: made, at: moment, db)
            return (made, true, expired)
        }
        announce(expired)
        guard let found else {
            throw ServiceError(
                .forbidden, code: "approval_queue_full",
                "\(maxPending) requests wait for a decision, as many as APPROVAL_MAX_PENDING allows. Have some decided, then try again.")
        }
        if isNew { metrics.count(found, from: nil) }
        try await countPending()
        return found
    }

    /// Approves or rejects.
    ///
    /// - Parameter id: the id, or its beginning of at least eight characters.
    /// - Throws: 404 when there is none, 403 when the caller may not decide it, 409 when it was decided before or is expired.
    public func decide(_ id: String, approve: Bool, by caller: Caller, reason: String? = nil) async throws -> ApprovalRequest {
        let mayDecide = try await holds(approve ? .approve : .reject, caller)
        let isOnly = try await !directory.hasApprover(besides: caller.id)
        return try await change(
            id, .decide(approve: approve, by: caller.id, mayDecide: mayDecide, isOnlyApprover: isOnly, reason: reason))
    }

    /// Takes a request back: the one who asked may, and who holds `approval:cancel`.
    ///
    /// - Throws: 404, 403, 409 as ``decide(_:approve:by:reason:)``.
    public func cancel(_ id: String, by caller: Caller) async throws -> ApprovalRequest {
        try await change(id, .cancel(by: caller.id, mayCancel: try await holds(.cancel, caller)))
    }

    /// Lets one call through that was approved, and no second one.
    ///
    /// - Parameter id: the approval to use, or its beginning; without one, the oldest that fits the call.
    /// - Returns: the approval, now used; `nil` when none fits, or the one named is not decided yet.
    /// - Throws: with an `id`, 404 when the caller has no such request, 403 `approval_used`, `approval_expired`, `approval_rejected`,
    ///   `approval_cancelled` or `approval_mismatch` when it lets nothing through.
    public func redeem(digest: String, tool: String, caller: Caller, id: String? = nil) async throws -> ApprovalRequest? {
        if let id {
            let range = try IDRange(id)
            let outcome = try await apply(range, .redeem(tool: tool, digest: digest, by: caller.id), onlyOf: caller.id)
            switch outcome {
            case .refused(.undecided, _): return nil
            case .refused(.alreadyProcessed(let status), let request):
                throw ServiceError(
                    .forbidden, code: "approval_\(status.rawValue)",
                    "The request \(request.shortID) for \(tool) was \(status.rawValue); it lets no call through.")
            case .refused(.expired, let request):
                throw ServiceError(
                    .forbidden, code: "approval_expired",
                    "The request \(request.shortID) for \(tool) is expired. Make the call without it to ask anew.")
            default: return try outcome.value(id)
            }
        }
        let moment = now()
        let used = try await database.write { db -> ApprovalRequest? in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT \(ApprovalRequest.columns) FROM approval_requests WHERE digest = ? AND user_id = ? AND status = 'approved'
                    AND tool_name = ? AND expires_at > ? ORDER BY requested_at LIMIT 1
                    """, arguments: [digest, caller.id, tool, moment])
            guard let found = try row.map(ApprovalRequest.init(row:)) else { return nil }
            var machine = ApprovalLifecycle(found, lifetime: lifetime)
            guard case .become(let change) = machine.answer(.redeem(tool: tool, digest: digest, by: caller.id), at: moment),
                change.to == .used
            else { return nil }
            return try found.making(change, at: moment, db)
        }
        if let used { announce([(used, .approved)]) }
        return used
    }

    /// Whether a caller may do something with approvals. Administrators may everything.
    public func holds(_ permission: ApprovalPermission, _ caller: Caller) async throws -> Bool {
        if caller.role == .admin { return true }
        return try await directory.holds(permission, caller)
    }

    private func change(_ id: String, _ event: ApprovalLifecycle.Event) async throws -> ApprovalRequest {
        let request = try await apply(try IDRange(id), event, onlyOf: nil).value(id)
        try await countPending()
        return request
    }
}

/// What came of an event.
enum ApprovalOutcome: Sendable {
    case changed(ApprovalRequest)
    case refused(ApprovalLifecycle.Refusal, ApprovalRequest)
    case missing
    case ambiguous

    func value(_ id: String) throws -> ApprovalRequest {
        switch self {
        case .changed(let request): return request
        case .missing: throw ServiceError.notFound("There is no approval request \(id.prefix(40)).", code: "approval_not_found")
        case .ambiguous:
            throw ServiceError.conflict("More than one request begins with \(id.prefix(40)); give more of the id.", code: "ambiguous_id")
        case .refused(let refusal, let request): throw refusal.error(request)
        }
    }
}

extension ApprovalLifecycle.Refusal {
    func error(_ request: ApprovalRequest) -> ServiceError {
        let what = "The request \(request.shortID) for \(request.tool)"
        switch self {
        case .notApprover:
            return ServiceError(.forbidden, code: "permission_denied", "Admin access required, or the permission for this decision.")
        case .ownRequest:
            return ServiceError(.forbidden, code: "own_request", "\(what) is your own; another approver has to decide it.")
        case .otherCall:
            return ServiceError(
                .forbidden, code: "approval_mismatch",
                "\(what) was approved for other arguments. Make the very same call, or ask for approval of this one.")
        case .alreadyUsed:
            return ServiceError(.forbidden, code: "approval_used", "\(what) was used; an approval lets one call through.")
        case .expired: return .conflict("\(what) is expired. Make the call again to ask anew.", code: "approval_expired")
        case .undecided: return ServiceError(.forbidden, code: "approval_pending", "\(what) is not decided yet.")
        case .alreadyProcessed(let status):
            return .conflict("Approval request already processed: \(request.shortID) is \(status.rawValue).", code: "already_processed")
        }
    }
}
