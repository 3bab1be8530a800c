import Foundation
import GRDB

/// Adds the tables of approvals and of mail about them to the migrations of the security database; to a table of approvals that is there,
/// what it lacks.
public func registerApprovals(_ migrator: inout DatabaseMigrator) {
    migrator.registerMigration("approvals and outbox") { db in
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS approval_requests (request_id TEXT PRIMARY KEY NOT NULL, tool_name TEXT NOT NULL,
                    user_id TEXT NOT NULL, role TEXT NOT NULL, request_data TEXT NOT NULL, digest TEXT NOT NULL, preview TEXT,
                    status TEXT NOT NULL DEFAULT 'pending', requested_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
                    responded_at DATETIME, responder_id TEXT, response_reason TEXT, expires_at DATETIME NOT NULL, used_at DATETIME,
                    CHECK (status IN ('pending', 'approved', 'rejected', 'timeout', 'expired', 'cancelled', 'used')));
                CREATE INDEX IF NOT EXISTS approval_requests_by_status ON approval_requests (status, expires_at);
                CREATE INDEX IF NOT EXISTS approval_requests_by_user ON approval_requests (user_id);
                CREATE INDEX IF NOT EXISTS approval_requests_by_time ON approval_requests (requested_at DESC);
                CREATE INDEX IF NOT EXISTS approval_requests_by_digest ON approval_requests (digest, user_id, status);
                CREATE VIEW IF NOT EXISTS pending_approvals AS
                    SELECT *, CAST(ceil((julianday(expires_at) - julianday('now')) * 86400) AS INTEGER) AS seconds_until_expiry
                    FROM approval_requests WHERE status = 'pending' AND julianday(expires_at) > julianday('now')
                    ORDER BY requested_at;
                ALTER TABLE approval_requests ADD COLUMN created_by TEXT;
                CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, request_id TEXT NOT NULL,
                    subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL, created_at DATETIME NOT NULL,
                    attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at DATETIME NOT NULL, sent_at DATETIME, failed_at DATETIME,
                    error TEXT);
                CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
                """)
    }
}

extension ApprovalRequest {
    /// The columns of a row, as ``init(row:)`` reads them.
    static let columns =
        "request_id, tool_name, user_id, role, request_data, digest, preview, status, requested_at, responded_at, responder_id, "
        + "response_reason, expires_at, used_at, created_by"
    /// The same for lists: what is long is left out.
    static let shortColumns = columns.replacing(
        "request_data, digest, preview",
        with: "CASE WHEN length(request_data) <= 4096 THEN request_data ELSE '' END AS request_data, digest, NULL AS preview")

    init(row: Row) throws {
        guard let id = UUID(uuidString: row["request_id"]), let status = ApprovalStatus(rawValue: row["status"]) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "A row of approval_requests has an id or a status that is none.")
        }
        self.init(
            id: id, tool: row["tool_name"], userID: row["user_id"], role: row["role"], arguments: row["request_data"],
            digest: row["digest"], status: status, requestedAt: row["requested_at"], expiresAt: row["expires_at"],
            respondedAt: row["responded_at"], responderID: row["responder_id"], reason: row["response_reason"], usedAt: row["used_at"],
            preview: row["preview"], createdBy: row["created_by"])
    }

    func insert(_ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO approval_requests (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                idText, tool, userID, role, arguments, digest, preview, status.rawValue, requestedAt, respondedAt, responderID, reason,
                expiresAt, usedAt, createdBy,
            ])
    }

    /// Makes a change where the row is still in the state the change starts from.
    ///
    /// - Returns: the request after it, or `nil` when somebody else was faster.
    func making(_ change: ApprovalLifecycle.Change, at now: Date, _ db: Database) throws -> ApprovalRequest? {
        var next = self
        next.status = change.to
        next.responderID = change.responder ?? responderID
        next.reason = change.reason ?? reason
        next.expiresAt = change.expiresAt ?? expiresAt
        if change.from == .pending { next.respondedAt = now }
        if change.to == .used { next.usedAt = now }
        try db.execute(
            sql: """
                UPDATE approval_requests SET status = ?, responder_id = ?, response_reason = ?, expires_at = ?, responded_at = ?,
                    used_at = ? WHERE request_id = ? AND status = ?
                """,
            arguments: [
                next.status.rawValue, next.responderID, next.reason, next.expiresAt, next.respondedAt, next.usedAt, idText,
                change.from.rawValue,
            ])
        return db.changesCount == 1 ? next : nil
    }
}
