import Foundation
import HTTPTypes
import Logging
import Metrics
import Security
import ServiceKit
import Suite
import SuiteAPI

/// One call of a tool, wherever it came in.
public struct ToolCall: Sendable {
    public let tool: String
    public let arguments: JSONValue
    public let caller: Caller
    /// The approval that the caller was given for this very call, when it names one.
    public let approvalID: String?
    public let origin: CallOrigin
    public let progress: @Sendable (Double, String) async -> Void

    public init(
        tool: String, arguments: JSONValue, caller: Caller, approvalID: String? = nil, origin: CallOrigin = CallOrigin(),
        progress: @escaping @Sendable (Double, String) async -> Void = { _, _ in }
    ) {
        self.tool = tool
        self.arguments = arguments
        self.caller = caller
        self.approvalID = approvalID
        self.origin = origin
        self.progress = progress
    }
}

/// Where a call came from, for the audit log.
public struct CallOrigin: Sendable {
    public let address: String?
    public let sessionID: String?
    public let requestID: String?

    public init(address: String? = nil, sessionID: String? = nil, requestID: String? = RequestScope.current?.requestID) {
        self.address = address
        self.sessionID = sessionID
        self.requestID = requestID
    }
}

/// What a call came to.
public enum ToolAnswer: Sendable {
    case done(ToolResult)
    /// Somebody has to approve it first; once that is done, the very same call runs once.
    case approvalNeeded(ApprovalRequest)
}

/// The way of every call, whichever protocol it came by: permission → arguments → limits → approval → the tool → audit.
///
/// The audit log gets two records for each call: what was decided, and what came of it. A tool that changes or runs something starts once
/// the first is durable; for one that only reads, both are awaited together, and nothing is answered before they are kept.
public struct ToolCalls: Sendable {
    public let approvals: Approvals
    private let tools: [String: any Tool]
    private let permissions: Permissions
    let limiter: RateLimiter
    private let audit: AuditLog
    private let isApprovalOn: Bool

    public init(
        tools: [any Tool], permissions: Permissions, limiter: RateLimiter, approvals: Approvals, audit: AuditLog, settings: Settings
    ) {
        self.tools = Dictionary(uniqueKeysWithValues: tools.map { ($0.name, $0) })
        self.permissions = permissions
        self.limiter = limiter
        self.approvals = approvals
        self.audit = audit
        isApprovalOn = settings[SettingKeys.approvalEnabled]
    }

    /// The tools that a caller may call, in the catalogue's order: nobody is told of others.
    public func visible(to caller: Caller) async throws -> [ToolDescriptor] {
        let permitted = try await permissions.permitted(caller)
        return ToolCatalogue.all.filter { tools[$0.name] != nil && permitted.contains($0.name) }
    }

    /// Runs a call, or says that it has to be approved.
    ///
    /// - Throws: ``ServiceKit/ServiceError``: 404 for an unknown tool, 403 without the permission or with an approval that does not fit, 422
    ///   for arguments, 429 past a limit, 503 when the audit log cannot be written, 502 or 503 when a service that the tool asks fails, and
    ///   whatever the tool itself throws.
    public func call(_ call: ToolCall) async throws -> ToolAnswer {
        guard let descriptor = ToolCatalogue[call.tool], let tool = tools[call.tool] else {
            throw Self.unknown(call.tool)
        }
        let records = CallRecords(call, audit: audit)
        do {
            let arguments = try await admitted(call.arguments, call.caller, descriptor)
            let place = try limiter.admit(tool: descriptor, caller: call.caller.id)
            defer { withExtendedLifetime(place) {} }
            let context = ToolContext(caller: call.caller, progress: call.progress)
            if let request = try await approvalNeeded(for: call, descriptor, tool, arguments, context) {
                try await records.decide(.approvalRequested(request.idText), arguments)
                return .approvalNeeded(request)
            }
            return .done(try await run(tool, descriptor, arguments, context, records))
        } catch let refusal as Refusal {
            try await refuse(refusal, descriptor, records)
        } catch let error as ServiceError where error.status == .tooManyRequests {
            try await refuse(Refusal(status: "rate_limited", error: error), descriptor, records)
        } catch let error as UpstreamError {
            // Told alike by every protocol: that what the tool depends on is not there is no fault of the protocol's.
            throw error.asServiceError
        }
    }

    private func refuse(_ refusal: Refusal, _ descriptor: ToolDescriptor, _ records: CallRecords) async throws -> Never {
        Counter(label: "mcp_tool_refusals_total", dimensions: [("tool", descriptor.name), ("reason", refusal.status)]).increment()
        try await records.refuse(refusal)
        throw refusal.error
    }

    /// Whether this build has the tool.
    func isOffered(_ name: String) -> Bool { tools[name] != nil }

    /// Whether calls of a tool have to be approved, as the settings are.
    func needsApproval(_ descriptor: ToolDescriptor) -> Bool { descriptor.needsApproval && isApprovalOn }

    static func unknown(_ name: String) -> ServiceError {
        .notFound("There is no tool “\(name.prefix(100))”; GET /tools lists those there are.", code: "unknown_tool")
    }

    /// The arguments of a call that is permitted and well formed.
    ///
    /// - Throws: ``Refusal``, or the database's error.
    func admitted(_ given: JSONValue, _ caller: Caller, _ descriptor: ToolDescriptor) async throws -> ToolArguments {
        let (isPermitted, reason) = try await permissions.isPermitted(caller, descriptor.name)
        guard isPermitted else {
            throw Refusal(status: "denied", error: ServiceError(.forbidden, code: "permission_denied", reason))
        }
        do {
            return try ToolArguments(given, for: descriptor)
        } catch let error as ServiceError {
            throw Refusal(status: "invalid", error: error)
        }
    }

    /// The request that has to be decided before the call may run; `nil` when it may run now. An approval that is there is used up.
    private func approvalNeeded(
        for call: ToolCall, _ descriptor: ToolDescriptor, _ tool: any Tool, _ arguments: ToolArguments, _ context: ToolContext
    ) async throws -> ApprovalRequest? {
        guard needsApproval(descriptor) else { return nil }
        let binding = try arguments.binding(to: descriptor)
        do {
            let used = try await approvals.redeem(
                digest: binding.digest, tool: descriptor.name, caller: call.caller, id: call.approvalID)
            guard used == nil else { return nil }
            // A call that must fail is refused here, and recorded as any other refusal: nobody is asked about it.
            let preview = try await tool.preview(arguments, context)
            return try await approvals.request(
                tool: descriptor.name, digest: binding.digest, arguments: binding.arguments, preview: preview, caller: call.caller)
        } catch let error as ServiceError {
            throw Refusal(status: "denied", error: error)
        }
    }

    private func run(
        _ tool: any Tool, _ descriptor: ToolDescriptor, _ arguments: ToolArguments, _ context: ToolContext, _ records: CallRecords
    ) async throws -> ToolResult {
        let started = ContinuousClock.now
        let timer = Timer(label: "mcp_tool_duration_seconds", dimensions: [("tool", descriptor.name)])
        // Reading does no harm that a record would have to precede, so its two records share one write.
        if descriptor.action != .read { try await records.decide(.allowed, arguments) }
        let outcome = await Result { try await tool.run(arguments, context) }
        let elapsed = started.duration(to: .now)
        timer.recordNanoseconds(elapsed.nanoseconds)
        try await records.finish(outcome, arguments, after: elapsed, decided: descriptor.action != .read)
        Counter(label: "mcp_tool_calls_total", dimensions: [("tool", descriptor.name), ("status", outcome.word)]).increment()
        return try outcome.get()
    }
}

/// A call that was not let through: what the audit log says of it, and what the caller is told.
struct Refusal: Error {
    let status: String
    let error: ServiceError
}

extension Result where Failure == any Error {
    fileprivate init(catching work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }

    var word: String {
        switch self {
        case .success: "success"
        case .failure(let error) where error is CancellationError: "cancelled"
        case .failure: "error"
        }
    }
}
