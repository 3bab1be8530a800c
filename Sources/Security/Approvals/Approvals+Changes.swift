import Foundation
import GRDB
import ServiceKit

/// The ids that a full id or a prefix stands for, as a range: nothing of what a client sends is a pattern.
struct IDRange: Sendable, Equatable {
    let lower: String
    /// Past every id that begins with ``lower``: `g` follows all hex digits and the dash.
    var upper: String { lower + "g" }

    /// - Throws: 422 unless the text is 8 to 36 hex digits and dashes.
    init(_ text: String) throws {
        lower = text.lowercased()
        let isID = (8...36).contains(lower.utf8.count) && lower.utf8.allSatisfy { "0123456789abcdef-".utf8.contains($0) }
        guard isID else {
            throw ServiceError.invalid(
                "An approval's id is a UUID, or the first eight or more of its characters; only hex digits and dashes.", parameter: "id")
        }
    }

    /// At most two of the rows: enough to tell one from several.
    func rows(_ db: Database, onlyOf userID: String?) throws -> [ApprovalRequest] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT \(ApprovalRequest.columns) FROM approval_requests WHERE request_id >= ? AND request_id < ?
                AND (? IS NULL OR user_id = ?) LIMIT 2
                """, arguments: [lower, upper, userID, userID]
        ).map(ApprovalRequest.init(row:))
    }
}

extension Approvals {
    typealias Changed = (request: ApprovalRequest, from: ApprovalStatus)

    /// Puts an event to the one request an id stands for. What turns out overdue expires for good, even when the event is then refused.
    func apply(_ range: IDRange, _ event: ApprovalLifecycle.Event, onlyOf userID: String?) async throws -> ApprovalOutcome {
        let moment = now()
        let (outcome, changes) = try await database.write { db -> (ApprovalOutcome, [Changed]) in
            let rows = try range.rows(db, onlyOf: userID)
            guard var request = rows.first else { return (.missing, []) }
            guard rows.count == 1 else { return (.ambiguous, []) }
            var machine = ApprovalLifecycle(request, lifetime: lifetime)
            var changes: [Changed] = []
            if case .become(let change) = machine.answer(.tick, at: moment) {
                request = try write(change, of: request, at: moment, db)
                changes.append((request, change.from))
            }
            switch machine.answer(event, at: moment) {
            case .become(let change):
                request = try write(change, of: request, at: moment, db)
                changes.append((request, change.from))
                return (.changed(request), changes)
            case .refuse(let refusal): return (.refused(refusal, request), changes)
            case .stay: return (.changed(request), changes)
            }
        }
        announce(changes)
        return outcome
    }

    private func write(_ change: ApprovalLifecycle.Change, of request: ApprovalRequest, at moment: Date, _ db: Database) throws
        -> ApprovalRequest
    {
        guard let next = try request.making(change, at: moment, db) else {
            throw ServiceError.conflict("Approval request already processed: somebody else was faster.", code: "already_processed")
        }
        if change.from == .pending { try notices?.tell(of: next, at: moment, db) }
        return next
    }

    /// Ends everything whose time is over.
    func expireOverdue(_ db: Database, at moment: Date) throws -> [Changed] {
        let overdue = try Row.fetchAll(
            db,
            sql: """
                SELECT \(ApprovalRequest.columns) FROM approval_requests WHERE status IN ('pending', 'approved') AND expires_at <= ?
                """, arguments: [moment]
        ).map(ApprovalRequest.init(row:))
        return try overdue.compactMap { request in
            var machine = ApprovalLifecycle(request, lifetime: lifetime)
            guard case .become(let change) = machine.answer(.tick, at: moment) else { return nil }
            return (try write(change, of: request, at: moment, db), change.from)
        }
    }

    /// Counts changes that are on the disk, and wakes who waits for them.
    func announce(_ changes: [Changed]) {
        for change in changes {
            metrics.count(change.request, from: change.from)
            signals.changed(change.request.id)
        }
    }

    func countPending() async throws {
        metrics.pending(
            try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM approval_requests WHERE status = 'pending'") ?? 0 })
    }

    /// Ends what is overdue, and removes what is older than `AUDIT_RETENTION_DAYS`.
    ///
    /// - Returns: how many requests ended.
    @discardableResult public func sweep() async throws -> Int {
        let moment = now()
        let changes = try await database.write { db in
            let changes = try expireOverdue(db, at: moment)
            let old = moment - retention
            try db.execute(
                sql: "DELETE FROM approval_requests WHERE requested_at < ? AND status NOT IN ('pending', 'approved')", arguments: [old])
            try db.execute(
                sql: "DELETE FROM outbox WHERE created_at < ? AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)", arguments: [old])
            return changes
        }
        announce(changes)
        try await countPending()
        return changes.count
    }
}
