import HTTPTypes
import Security
import ServiceKit
import SuiteAPI

/// What would become of a call, found out without making it.
struct ToolVerdict: Sendable {
    let tool: String
    let user: String
    /// `nil` for a tool that there is not.
    let descriptor: ToolDescriptor?
    let needsApproval: Bool
    /// Calls that the user has left of the tool's limit.
    let usage: RateUsage?
    /// Why the call would be refused; `nil` when it would go on, to an approver where it needs one.
    let refusal: ServiceError?

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "valid": .bool(refusal == nil), "tool_name": .string(tool), "user_id": .string(user), "needs_approval": .bool(needsApproval),
            "message": .string(refusal?.message ?? (needsApproval ? "The call would have to be approved." : "The call would be made.")),
        ]
        if let descriptor { members["security_level"] = .string(descriptor.sensitivity.rawValue) }
        if let usage {
            members["remaining_calls"] = .integer(Int64(usage.remaining))
            members["retry_after_seconds"] = .integer(Int64(usage.retry_after_seconds))
        }
        if let refusal {
            members["error_type"] = .string(refusal.code)
            members["status"] = .integer(Int64(refusal.status.code))
            if let parameter = refusal.parameter { members["parameter"] = .string(parameter) }
        }
        return .object(members)
    }
}

extension ToolCalls {
    /// Asks what stands before a call: permission, then arguments, as ``call(_:)`` does. The tool itself is not asked, so that a path or an
    /// address may still be refused; nothing is counted against a limit or recorded.
    ///
    /// - Throws: the database's error.
    func verdict(on name: String, _ arguments: JSONValue, for caller: Caller) async throws -> ToolVerdict {
        guard let descriptor = ToolCatalogue[name], isOffered(name) else {
            return ToolVerdict(
                tool: String(name.prefix(100)), user: caller.id, descriptor: nil, needsApproval: false, usage: nil,
                refusal: Self.unknown(name))
        }
        var refusal: ServiceError?
        do {
            _ = try await admitted(arguments, caller, descriptor)
        } catch let found as Refusal {
            refusal = found.error
        }
        return ToolVerdict(
            tool: name, user: caller.id, descriptor: descriptor, needsApproval: needsApproval(descriptor),
            usage: limiter.usage(descriptor, caller: caller.id), refusal: refusal)
    }
}
