import Foundation
import GRDB
import Logging
import Metrics
import ServiceKit
import Suite

/// The audit log: append-only, each record chained to the one before it by a hash, on the disk before the writer goes on.
///
/// Records of callers that wait at the same time are written in one transaction with one sync of the disk (group commit). Nothing is
/// dropped: who appends waits. Several processes may append; each takes the head of the chain within its transaction.
public actor AuditLog {
    private struct Waiting {
        let records: [AuditRecord]
        let continuation: CheckedContinuation<Void, any Error>
    }

    /// Records of one transaction at the most, so that none waits long for others.
    private static let batch = 512

    private let executor = BlockingExecutor("security.audit")
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated let database: SecurityDatabase
    nonisolated let anchor: AuditAnchor
    private var waiting: [Waiting] = []
    private var isDraining = false
    private var isSealing = false
    /// Where the log ended when this process last wrote, and how much of that is anchored.
    private var head: AuditHead?
    private var sealedID: Int64 = 0
    private let logger = Logger(label: "audit")
    private let written = Counter(label: "audit_records_total", dimensions: [])
    private let commits = Timer(label: "audit_commit_duration_seconds", dimensions: [])

    public init(_ database: SecurityDatabase, settings: Settings) throws {
        self.database = database
        anchor = try AuditAnchor(settings.dataFolders)
    }

    /// Appends records and returns once they are durable; they stand next to one another in the log. They are kept even when the caller
    /// has gone and the task with it.
    ///
    /// - Throws: the database's error; none of the records was written then.
    public func append(_ records: [AuditRecord]) async throws {
        try await withCheckedThrowingContinuation { continuation in
            waiting.append(Waiting(records: records, continuation: continuation))
            guard !isDraining else { return }
            isDraining = true
            // Its turn comes after those who wait for the executor already.
            Task { drain() }
        }
    }

    public func append(_ record: AuditRecord) async throws { try await append([record]) }

    private func drain() {
        isDraining = false
        while !waiting.isEmpty {
            var count = 0
            let end = waiting.firstIndex { waiting in
                count += waiting.records.count
                return count > Self.batch
            }
            let taken = Array(waiting.prefix(max(1, end ?? waiting.count)))
            waiting.removeFirst(taken.count)
            do {
                let records = taken.flatMap(\.records)
                let begun = ContinuousClock.now
                head = try database.pool.write { db in try Self.write(records, db, anchor, head) }
                commits.recordNanoseconds(begun.duration(to: .now).nanoseconds)
                written.increment(by: records.count)
                for entry in taken { entry.continuation.resume() }
                sealSoon()
            } catch {
                for entry in taken { entry.continuation.resume(throwing: error) }
            }
        }
    }

    /// Anchors how far the log has come: a few times a second while records come, and once more after the last of them.
    private func sealSoon() {
        guard !isSealing else { return }
        isSealing = true
        Task {
            while let head, head.lastID > sealedID {
                do {
                    try await seal()
                } catch {
                    logger.error("the audit log could not be anchored", metadata: ["cause": "\(error)"])
                    break
                }
                try? await Task.sleep(for: .milliseconds(250))
            }
            isSealing = false
        }
    }

    /// Anchors how far the log has come, now: what a process does before it ends.
    ///
    /// - Throws: ``AuditProblem`` for an anchor that is not ours, or the file system's error.
    public func seal() async throws {
        guard let head, head.lastID > sealedID else { return }
        try await offPool { [anchor] in try anchor.raise(to: head.lastID, head.hash) }
        sealedID = max(sealedID, head.lastID)
    }

    private static func write(_ records: [AuditRecord], _ db: Database, _ anchor: AuditAnchor, _ known: AuditHead?) throws -> AuditHead {
        var head = try AuditHead(db)
        // When the anchor or this process knows of later records, the end was cut off. The chain goes on from where it had come to: the
        // gap stays to be seen, whatever is written after it.
        if let known, known.lastID > head.lastID { (head.lastID, head.hash) = (known.lastID, known.hash) }
        if let mark = try? anchor.lastMark(), mark.last_id > head.lastID, let hash = Data(hex: mark.hash) {
            (head.lastID, head.hash) = (mark.last_id, hash)
        }
        let time = Date.now.sqlText
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO security_audit_logs (log_id, user_id, tool_name, action, status, error_message, request_data, timestamp,
                    execution_time_ms, ip_address, session_id, request_id, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for record in records {
            let entry = AuditEntry(head.lastID + 1, record, at: time)
            head.lastID = entry.log_id
            head.hash = entry.hash(after: head.hash)
            try statement.execute(arguments: [
                entry.log_id, entry.user_id, entry.tool_name, entry.action, entry.status, entry.error_message, entry.request_data,
                entry.timestamp, entry.execution_time_ms, entry.ip_address, entry.session_id, entry.request_id, head.hash,
            ])
        }
        try db.cachedStatement(sql: "UPDATE security_audit_head SET last_id = ?, hash = ?").execute(arguments: [head.lastID, head.hash])
        return head
    }
}

/// Where the chain ends, and where it begins since older records were dropped.
struct AuditHead: Sendable {
    var lastID: Int64
    var hash: Data
    let prunedID: Int64
    let prunedHash: Data
    let prunedSignature: String?

    init(_ db: Database) throws {
        guard let row = try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM security_audit_head")) else {
            throw DatabaseError(message: "security_audit_head has no row")
        }
        lastID = row["last_id"]
        hash = row["hash"]
        prunedID = row["pruned_id"]
        prunedHash = row["pruned_hash"]
        prunedSignature = row["pruned_signature"]
    }
}

extension Data {
    /// Reads what `hex` writes.
    fileprivate init?(hex: String) {
        let digits = hex.compactMap(\.hexDigitValue)
        guard digits.count == hex.count, digits.count.isMultiple(of: 2) else { return nil }
        self.init(stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) })
    }
}
