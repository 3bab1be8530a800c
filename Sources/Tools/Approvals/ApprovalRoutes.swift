import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit
import SuiteAPI

/// The routes of approvals. Who asks is who the key says; deciding needs the role of an administrator or the permission for it.
public struct ApprovalRoutes: Sendable {
    let approvals: Approvals
    let audit: AuditLog?
    let now: @Sendable () -> Date

    /// - Parameter audit: where decisions are recorded.
    public init(_ approvals: Approvals, audit: AuditLog?, now: @escaping @Sendable () -> Date = { .now }) {
        self.approvals = approvals
        self.audit = audit
        self.now = now
    }

    /// Everything that the tool server answers. A fixed path stands before one with an id.
    public var all: [Route] { plain + versioned }

    /// `/api/approvals`: the tool server's, and its administration's.
    public var plain: [Route] {
        [
            Route(.get, "/api/approvals/pending", "Requests that wait for a decision, the oldest first.", handler: pending),
            Route(.post, "/api/approvals/{id}/approve", "Approves a request.") { try await decide($0, $1, approve: true) },
            Route(.post, "/api/approvals/{id}/reject", "Rejects a request.") { try await decide($0, $1, approve: false) },
            Route(.get, "/api/approvals/{id}/status", "Where a request stands; for the one who asked, and approvers.", handler: status),
        ]
    }

    /// `/api/v1/approvals`.
    var versioned: [Route] {
        [
            Route(.get, "/api/v1/approvals", "Requests, the newest first.", handler: list),
            Route(.get, "/api/v1/approvals/stats", "Requests of a span of time in figures.", handler: statistics),
            Route(.post, "/api/v1/approvals", "Asks for approval of a call of a tool.", handler: create),
            Route(.get, "/api/v1/approvals/{id}", "A request in full: arguments, and what the call would do.", handler: show),
            Route(.put, "/api/v1/approvals/{id}", "Approves or rejects a request.", handler: act),
            Route(.delete, "/api/v1/approvals/{id}", "Takes a request back.", handler: cancel),
        ]
    }

    // MARK: /api/approvals

    private func pending(_ request: Request, _ context: CallContext) async throws -> Response {
        try await require(.view, context)
        var filter = ApprovalFilter(status: .pending, oldestFirst: true)
        filter.limit = try request.queryInteger("limit", in: 1...1_000) ?? 50
        filter.tool = request.queryText("tool_name")
        filter.userID = request.queryText("user_id")
        let found = try await approvals.list(filter)
        return .json(
            PendingApprovals(
                pending_approvals: found.requests.map { row($0) }, count: found.requests.count, total: found.total,
                filters: ["limit": .integer(Int64(filter.limit)), "tool_name": filter.tool.json, "user_id": filter.userID.json]))
    }

    private func decide(_ request: Request, _ context: CallContext, approve: Bool) async throws -> Response {
        let id = try context.parameters.require("id")
        let reason = try Self.reason(try await request.bytes(context))
        return .json(try await decide(id, approve: approve, reason: reason, context.caller))
    }

    private func status(_ request: Request, _ context: CallContext) async throws -> Response {
        .json(row(try await visible(context), isBrief: true))
    }

    // MARK: /api/v1/approvals

    private func list(_ request: Request, _ context: CallContext) async throws -> Response {
        try await require(.view, context)
        var filter = ApprovalFilter()
        if let text = request.queryText("status") {
            guard let status = ApprovalStatus(rawValue: text) else {
                let known = ApprovalStatus.allCases.map(\.rawValue).joined(separator: ", ")
                throw ServiceError.invalid("status must be one of \(known).", parameter: "status")
            }
            filter.status = status
        }
        filter.tool = request.queryText("tool_name")
        filter.userID = request.queryText("user_id")
        filter.limit = try request.queryInteger("limit", in: 1...1_000) ?? 50
        filter.offset = try request.queryInteger("offset", in: 0...1_000_000_000) ?? 0
        let found = try await approvals.list(filter)
        return .json(
            ApprovalPage(approvals: found.requests.map { row($0) }, total: found.total, limit: filter.limit, offset: filter.offset))
    }

    private func statistics(_ request: Request, _ context: CallContext) async throws -> Response {
        try await require(.view, context)
        let span = try Self.seconds(request.queryText("time_range") ?? "24h")
        return .json(try await approvals.statistics(last: span))
    }

    private func create(_ request: Request, _ context: CallContext) async throws -> Response {
        try await require(.create, context)
        let body = try await request.decode(ApprovalCreation.self, context)
        guard let tool = body.tool_name, !tool.isEmpty else {
            throw ServiceError.badRequest("The field “tool_name” is missing.", code: "missing_tool_name", parameter: "tool_name")
        }
        guard let descriptor = ToolCatalogue[tool] else {
            throw ServiceError.invalid("There is no tool of this name; GET /tools lists them.", parameter: "tool_name")
        }
        let user = body.user_id ?? "system"
        guard (1...128).contains(user.utf8.count) else {
            throw ServiceError.invalid("user_id has 1 to 128 bytes.", parameter: "user_id")
        }
        let arguments = body.request_context ?? [:]
        guard arguments.objectValue != nil else {
            throw ServiceError.invalid("request_context is an object, the arguments of the call.", parameter: "request_context")
        }
        // Arguments that make a call are bound as that call is. Others are kept as they came, for the record: no call will fit them.
        let complete = try? ToolArguments(arguments, for: descriptor)
        let call = try complete?.binding(to: descriptor) ?? CallDigest(tool: tool, arguments: arguments)
        let isOwn = user == context.caller.id
        let made = try await approvals.request(
            tool: tool, digest: call.digest, arguments: call.arguments, preview: nil,
            caller: Caller(id: user, role: isOwn ? context.caller.role : nil), createdBy: isOwn ? nil : context.caller.id)
        return .json(
            [
                "request_id": .string(made.idText), "status": .string(made.status.rawValue),
                "expires_in_seconds": .integer(Int64(secondsLeft(made))),
            ] as JSONValue, status: .created)
    }

    private func show(_ request: Request, _ context: CallContext) async throws -> Response { .json(row(try await visible(context))) }

    private func act(_ request: Request, _ context: CallContext) async throws -> Response {
        let id = try context.parameters.require("id")
        let body = try await request.decode(ApprovalDecision.self, context)
        guard ["approve", "reject"].contains(body.action) else {
            throw ServiceError.badRequest("action is “approve” or “reject”.", code: "invalid_action", parameter: "action")
        }
        return .json(try await decide(id, approve: body.action == "approve", reason: try Self.checked(body.reason), context.caller))
    }

    private func cancel(_ request: Request, _ context: CallContext) async throws -> Response {
        _ = try await approvals.cancel(try context.parameters.require("id"), by: context.caller)
        return Response(status: .noContent)
    }

    // MARK: Parts

    private func decide(_ id: String, approve: Bool, reason: String?, _ caller: Caller) async throws -> ApprovalDecided {
        let decided = try await approvals.decide(id, approve: approve, by: caller, reason: reason)
        try await audit?.append(
            AuditRecord(
                userID: caller.id, toolName: decided.tool, action: approve ? "approval_granted" : "approval_rejected",
                status: decided.status.rawValue, errorMessage: decided.reason, requestData: #"{"request_id":"\#(decided.idText)"}"#,
                requestID: RequestScope.current?.requestID))
        return ApprovalDecided(status: decided.status.rawValue, request_id: decided.idText, responder: caller.id)
    }

    /// The request of the path, when it is the caller's own or the caller may see all. Others learn nothing, not even that it is there.
    private func visible(_ context: CallContext) async throws -> ApprovalRequest {
        let id = try context.parameters.require("id")
        let seesAll = try await approvals.holds(.view, context.caller)
        return try await approvals.find(id, onlyOf: seesAll ? nil : context.caller.id)
    }

    private func require(_ permission: ApprovalPermission, _ context: CallContext) async throws {
        guard try await approvals.holds(permission, context.caller) else {
            throw ServiceError(
                .forbidden, code: "permission_denied", "Admin access required, or a role with the permission \(permission.rawValue).")
        }
    }

    private func secondsLeft(_ request: ApprovalRequest) -> Int {
        request.status.isFinal ? 0 : max(0, Int(request.expiresAt.timeIntervalSince(now()).rounded(.up)))
    }

    private func row(_ request: ApprovalRequest, isBrief: Bool = false) -> ApprovalRow {
        ApprovalRow(
            request_id: request.idText, tool_name: request.tool, user_id: request.userID, role: request.role,
            status: request.status.rawValue, requested_at: Self.time(request.requestedAt), expires_at: Self.time(request.expiresAt),
            seconds_until_expiry: secondsLeft(request), responded_at: request.respondedAt.map(Self.time), responder_id: request.responderID,
            response_reason: request.reason, used_at: request.usedAt.map(Self.time),
            request_data: isBrief || request.arguments.isEmpty ? nil : request.arguments, digest: isBrief ? nil : request.digest,
            preview: isBrief ? nil : request.preview)
    }

    static func time(_ date: Date) -> String {
        date.formatted(.iso8601.year().month().day().dateTimeSeparator(.space).time(includingFractionalSeconds: false))
    }
}
