import Foundation
import GRDB
import Security
import ServiceKit
import Suite
import TestSupport
import Testing

@Suite("The audit log")
struct AuditTests {
    @Test("weakness_17_records_of_many_callers_and_processes_form_one_chain_and_none_is_dropped")
    func weakness_17_appending() async throws {
        try await withAuditLog { log, _, settings in
            let other = try AuditLog(try await SecurityDatabase.open(settings), settings: settings)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<400 {
                    let writer = number % 2 == 0 ? log : other
                    let record = auditRecord(number)
                    group.addTask { try await writer.append(record) }
                }
                try await group.waitForAll()
            }
            let verdict = try await log.verify()
            #expect(verdict.records == 400 && verdict.problem == nil)
        }
    }

    @Test(
        "Whatever is changed, removed, moved or cut off is found and located",
        arguments: [
            ("UPDATE security_audit_logs SET status = 'succesS' WHERE log_id = 7", Int64(7)),
            ("UPDATE security_audit_logs SET error_message = '' WHERE log_id = 3", 3),
            ("DELETE FROM security_audit_logs WHERE log_id = 5", 5), ("DELETE FROM security_audit_logs WHERE log_id >= 9", 9),
            ("UPDATE security_audit_logs SET request_data = NULL WHERE log_id = 1", 1),
            (
                "UPDATE security_audit_logs SET log_id = 1000 WHERE log_id = 4; UPDATE security_audit_logs SET log_id = 4 WHERE log_id = 6; UPDATE security_audit_logs SET log_id = 6 WHERE log_id = 1000",
                4
            ), ("UPDATE security_audit_logs SET hash = zeroblob(32) WHERE log_id = 2", 2),
        ])
    func tampering(sql: String, first: Int64) async throws {
        try await withAuditLog { log, database, _ in
            try await log.append((1...10).map(auditRecord))
            #expect(try await log.verify().problem == nil)
            try await database.writer.write { db in try db.execute(sql: sql) }
            #expect(try await log.verify().problem?.record == first)
        }
    }

    @Test("Who writes the database alone cannot cut off the end, nor write another log, unnoticed")
    func anchored() async throws {
        try await withAuditLog { log, database, settings in
            try await log.append((1...10).map(auditRecord))
            _ = try await log.verify()
            try await database.writer.write { db in
                try db.execute(
                    sql: """
                        DELETE FROM security_audit_logs WHERE log_id > 6;
                        UPDATE security_audit_head SET last_id = 6, hash = (SELECT hash FROM security_audit_logs WHERE log_id = 6);
                        """)
            }
            let again = try AuditLog(database, settings: settings)
            #expect(try await again.verify().problem?.record == 7)
        }
    }

    @Test("What is past its retention goes from the front, and the rest still verifies")
    func retention() async throws {
        try await withAuditLog { log, _, _ in
            try await log.append((1...10).map(auditRecord))
            #expect(try await log.prune(olderThan: .seconds(3_600)) == 0)
            #expect(try await log.prune(olderThan: .seconds(-60)) == 10)
            try await log.append((11...15).map(auditRecord))
            let verdict = try await log.verify()
            #expect(verdict.records == 5 && verdict.problem == nil)
            #expect(try await log.list(AuditFilter(limit: 2)).map(\.log_id) == [15, 14])
        }
    }
}
