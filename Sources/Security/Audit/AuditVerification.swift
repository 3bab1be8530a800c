import Foundation
import GRDB
import ServiceKit

/// What the walk along the audit log found.
public struct AuditVerdict: Sendable {
    public let records: Int
    /// The first thing that is wrong; `nil` when the log is whole.
    public let problem: AuditProblem?
}

extension AuditLog {
    /// Walks the whole chain and says where it first breaks: a record that was changed, removed, put elsewhere, or cut off at the end. A log
    /// whose anchor is missing cannot be told from one whose end was cut off, and counts as broken.
    ///
    /// - Throws: the database's error.
    public nonisolated func verify() async throws -> AuditVerdict {
        let mark: AuditAnchor.Mark?
        do {
            mark = try await offPool { [anchor] in try anchor.mark() }
        } catch let problem as AuditProblem {
            return AuditVerdict(records: 0, problem: problem)
        }
        // One reader sees one moment, however long the walk takes and whoever writes meanwhile.
        let verdict = try await database.pool.read { [anchor] db in try Self.walk(db, anchoredAt: mark, anchor) }
        guard mark == nil, verdict.problem == nil else { return verdict }
        return AuditVerdict(records: verdict.records, problem: anchor.missing)
    }

    /// Makes the anchor anew where it is missing, and records who did so.
    ///
    /// - Throws: 409 where the anchor is there, or the log is broken in itself; ``AuditProblem`` where the anchor is not what this stack
    ///   signed; the database's error.
    public func anchorAnew(by user: String) async throws {
        guard try await offPool({ [anchor] in try anchor.mark() }) == nil else {
            throw ServiceError.conflict("The audit log's anchor is there.", code: "anchor_exists")
        }
        let verdict = try await database.pool.read { [anchor] db in try Self.walk(db, anchoredAt: nil, anchor) }
        if let problem = verdict.problem { throw ServiceError.conflict("The audit log is broken: \(problem)", code: "audit_broken") }
        let head = try await database.pool.read { db in try AuditHead(db) }
        try await offPool { [anchor] in try anchor.makeAnew(head.lastID, head.hash) }
        try await append(
            AuditRecord(
                userID: user, toolName: "security", action: "administration", status: "success",
                errorMessage: "the audit log's anchor was missing and is made anew at record \(head.lastID)"))
        try await seal()
    }

    private static func walk(_ db: Database, anchoredAt mark: AuditAnchor.Mark?, _ anchor: AuditAnchor) throws -> AuditVerdict {
        let head = try AuditHead(db)
        guard head.prunedID == 0 || head.prunedSignature == anchor.signature(ofPruned: head.prunedID, head.prunedHash) else {
            return AuditVerdict(
                records: 0,
                problem: AuditProblem(record: head.prunedID, what: "records up to it are missing, and retention did not drop them"))
        }
        var previous = head.prunedHash
        var last = head.prunedID
        var count = 0
        var anchored: Data?
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM security_audit_logs ORDER BY log_id")
        while let row = try rows.next() {
            let entry = try AuditEntry(row: row)
            let hash: Data = row["hash"]
            guard entry.log_id == last + 1 else {
                let gap =
                    entry.log_id == last + 2 ? "record \(last + 1) is missing" : "records \(last + 1) to \(entry.log_id - 1) are missing"
                return AuditVerdict(records: count, problem: AuditProblem(record: last + 1, what: gap))
            }
            guard entry.hash(after: previous) == hash else {
                return AuditVerdict(
                    records: count, problem: AuditProblem(record: entry.log_id, what: "it was changed, or the one before it was"))
            }
            previous = hash
            last = entry.log_id
            count += 1
            if entry.log_id == mark?.last_id { anchored = hash }
        }
        guard last == head.lastID, previous == head.hash else {
            return AuditVerdict(
                records: count, problem: AuditProblem(record: last + 1, what: "the end of the log is cut off: it went to \(head.lastID)"))
        }
        if let mark, mark.last_id > head.prunedID {
            guard last >= mark.last_id else {
                return AuditVerdict(
                    records: count,
                    problem: AuditProblem(record: last + 1, what: "the end of the log is cut off: it went to \(mark.last_id)"))
            }
            guard anchored.map({ Array($0).hex }) == mark.hash else {
                return AuditVerdict(
                    records: count,
                    problem: AuditProblem(record: mark.last_id, what: "the log was written anew: it is not what was anchored"))
            }
        }
        return AuditVerdict(records: count, problem: nil)
    }
}
