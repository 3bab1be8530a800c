import Foundation
import ServiceKit

/// Who makes a change of users, roles, keys or sessions, for the audit log.
public struct Administrator: Sendable {
    /// The user's id; `cli:` and the system's user for commands.
    public let id: String
    public let address: String?
    public let requestID: String?

    public init(id: String, address: String? = nil, requestID: String? = nil) {
        self.id = id
        self.address = address
        self.requestID = requestID
    }
}

/// The one way in which users, roles and keys are changed, by commands and over HTTP alike: each change leaves a record of who made it and
/// what it was, and so does one that was refused.
public struct Administration: Sendable {
    public let directory: Directory
    public let audit: AuditLog

    public init(directory: Directory, audit: AuditLog) {
        self.directory = directory
        self.audit = audit
    }

    /// Makes a change and records it. Neither is broken off when whoever asked for it leaves.
    ///
    /// - Parameters:
    ///   - what: the change in words; never a key.
    ///   - outcome: what is only known once it is made, such as the prefix of a key.
    /// - Throws: what the change throws; 503 `audit_unavailable` when the log cannot be written.
    public func change<Value: Sendable>(
        _ what: String, by administrator: Administrator, outcome named: @escaping @Sendable (Value) -> String = { _ in "" },
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await Task {
            let outcome: Result<Value, any Error>
            do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
            let (status, told) =
                switch outcome {
                case .success(let value): ("success", what + named(value))
                case .failure(let error): ("error", "\(what): \((error as? ServiceError)?.message ?? "\(error)")")
                }
            do {
                try await audit.append(
                    AuditRecord(
                        userID: administrator.id, toolName: "security", action: "administration", status: status, errorMessage: told,
                        address: administrator.address, requestID: administrator.requestID))
            } catch {
                throw ServiceError.unavailable("The audit log cannot be written: \(error)", code: "audit_unavailable")
            }
            return try outcome.get()
        }.value
    }
}
