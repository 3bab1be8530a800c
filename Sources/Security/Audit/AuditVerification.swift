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
    /// Walks the whole chain and says where it first breaks: a record that was changed, removed, put elsewhere, or cut off at the end.
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
        return try await database.pool.read { [anchor] db in try Self.walk(db, anchoredAt: mark, anchor) }
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
