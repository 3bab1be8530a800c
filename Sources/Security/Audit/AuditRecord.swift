import Crypto
import Foundation
import GRDB

/// One thing that happened, for the audit log.
public struct AuditRecord: Sendable {
    public var userID: String
    public var toolName: String
    /// `access`, `execute`, `approval_requested`, `approval_granted`, `administration` and so on.
    public var action: String
    public var status: String
    public var errorMessage: String?
    /// JSON text; see the callers for what is left out of it.
    public var requestData: String?
    public var executionMilliseconds: Int?
    public var address: String?
    public var sessionID: String?
    public var requestID: String?

    public init(
        userID: String, toolName: String, action: String, status: String, errorMessage: String? = nil, requestData: String? = nil,
        executionMilliseconds: Int? = nil, address: String? = nil, sessionID: String? = nil, requestID: String? = nil
    ) {
        self.userID = userID
        self.toolName = toolName
        self.action = action
        self.status = status
        self.errorMessage = errorMessage.map { String($0.prefix(4_000)) }
        self.requestData = requestData
        self.executionMilliseconds = executionMilliseconds
        self.address = address
        self.sessionID = sessionID
        self.requestID = requestID
    }
}

/// A record as it stands in the log. Names are those of the table's columns.
public struct AuditEntry: Sendable, Codable, FetchableRecord {
    public let log_id: Int64
    public let user_id: String
    public let tool_name: String
    public let action: String
    public let status: String
    public let error_message: String?
    public let request_data: String?
    public let timestamp: String
    public let execution_time_ms: Int?
    public let ip_address: String?
    public let session_id: String?
    public let request_id: String?

    init(_ id: Int64, _ record: AuditRecord, at time: String) {
        log_id = id
        user_id = record.userID
        tool_name = record.toolName
        action = record.action
        status = record.status
        error_message = record.errorMessage
        request_data = record.requestData
        timestamp = time
        execution_time_ms = record.executionMilliseconds
        ip_address = record.address
        session_id = record.sessionID
        request_id = record.requestID
    }

    /// The hash that chains the entry to the one before it: SHA-256 over that one's hash and every column. Each column is preceded by its
    /// length, and one that is missing by a length that none has, so that no two entries are the same bytes.
    func hash(after previous: Data) -> Data {
        var hasher = SHA256()
        hasher.update(data: previous)
        let columns: [String?] = [
            String(log_id), user_id, tool_name, action, status, error_message, request_data, timestamp, execution_time_ms.map(String.init),
            ip_address, session_id, request_id,
        ]
        for column in columns {
            let bytes = column.map { Data($0.utf8) }
            withUnsafeBytes(of: (bytes.map { UInt32($0.count) } ?? .max).bigEndian) { hasher.update(bufferPointer: $0) }
            if let bytes { hasher.update(data: bytes) }
        }
        return Data(hasher.finalize())
    }
}
