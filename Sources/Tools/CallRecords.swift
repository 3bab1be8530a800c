import Foundation
import Security
import ServiceKit

/// Writes the two records of one call: the decision, and what came of it.
struct CallRecords: Sendable {
    /// What was decided of a call that is not refused.
    enum Decision {
        case allowed
        case approvalRequested(String)
    }

    private let call: ToolCall
    private let audit: AuditLog

    init(_ call: ToolCall, audit: AuditLog) {
        self.call = call
        self.audit = audit
    }

    func decide(_ decision: Decision, _ arguments: ToolArguments) async throws {
        try await write([record(of: decision, arguments)])
    }

    func refuse(_ refusal: Refusal) async throws {
        try await write([
            record("access", refusal.status, error: refusal.error.message, data: Redaction.text(of: call.arguments), milliseconds: nil)
        ])
    }

    /// - Parameter decided: whether the decision was written before.
    func finish(
        _ outcome: Result<ToolResult, any Error>, _ arguments: ToolArguments, after elapsed: Duration, decided: Bool
    ) async throws {
        var message: String?
        if case .failure(let error) = outcome { message = (error as? ServiceError)?.description ?? "\(error)" }
        let result = record("execute", outcome.word, error: message, data: nil, milliseconds: Int(elapsed.milliseconds))
        try await write(decided ? [result] : [record(of: .allowed, arguments), result])
    }

    private func record(of decision: Decision, _ arguments: ToolArguments) -> AuditRecord {
        let data = Redaction.text(of: .object(arguments.values))
        return switch decision {
        case .allowed: record("access", "allowed", error: nil, data: data, milliseconds: nil)
        case .approvalRequested(let id): record("approval_requested", "pending", error: "approval \(id)", data: data, milliseconds: nil)
        }
    }

    private func record(_ action: String, _ status: String, error: String?, data: String?, milliseconds: Int?) -> AuditRecord {
        AuditRecord(
            userID: call.caller.id, toolName: call.tool, action: action, status: status, errorMessage: error.map(SecretText.masked),
            requestData: data, executionMilliseconds: milliseconds, address: call.origin.address, sessionID: call.origin.sessionID,
            requestID: call.origin.requestID)
    }

    private func write(_ records: [AuditRecord]) async throws {
        do {
            try await audit.append(records)
        } catch {
            throw ServiceError.unavailable(
                "The audit log cannot be written, and nothing is done that is not recorded: \(error)", code: "audit_unavailable",
                retryAfter: .seconds(5))
        }
    }
}
