import Foundation
import GRDB
import Security
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

/// What somebody with the database alone in his hands would try, and what happens under load.
@Suite("Evidence and load")
struct AuditEvidenceTests {
    /// Removes records from the end and makes the table of the head fit.
    private func cut(_ database: SecurityDatabase, after id: Int) async throws {
        try await database.writer.write { db in
            try db.execute(sql: "DELETE FROM security_audit_logs WHERE log_id > ?", arguments: [id])
            try db.execute(
                sql: "UPDATE security_audit_head SET last_id = ?1, hash = (SELECT hash FROM security_audit_logs WHERE log_id = ?1)",
                arguments: [id])
        }
    }

    private func sealed(_ settings: Settings) -> Int? {
        struct Mark: Decodable { let last_id: Int }
        let path = settings.dataFolders.secrets.appending("audit.anchor")
        return FileManager.default.contents(atPath: path.string).flatMap { try? JSONDecoder().decode(Mark.self, from: $0).last_id }
    }

    @Test("weakness_16_a_revocation_holds_at_once_while_others_call_without_pause")
    func weakness_16_underLoad() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let directory = Directory(try await SecurityDatabase.open(settings))
            let permissions = Permissions(Identities(try await SecurityDatabase.open(settings)), settings: settings)
            let caller = Caller(id: "dev_user", role: .developer)
            let stale = try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        while !Task.isCancelled { _ = try await permissions.isPermitted(caller, "write_file") }
                    }
                }
                var stale = 0
                for _ in 0..<40 {
                    try await directory.revoke("write_file", from: "developer")
                    if try await permissions.isPermitted(caller, "write_file").0 { stale += 1 }
                    try await directory.grant("write_file", to: "developer", by: "test")
                    if try await !permissions.isPermitted(caller, "write_file").0 { stale += 1 }
                }
                group.cancelAll()
                return stale
            }
            #expect(stale == 0, "of 80 changes")
        }
    }

    @Test("Records that come after the end was cut off do not hide the cut")
    func afterTheCut() async throws {
        try await withAuditLog { log, database, settings in
            try await log.append((1...10).map(auditRecord))
            while sealed(settings) != 10 { await Task.yield() }
            try await cut(database, after: 6)
            let later = try AuditLog(database, settings: settings)
            for number in 11...20 { try await later.append(auditRecord(number)) }
            #expect(try await later.verify().problem?.record == 7)
            #expect(try await log.verify().problem?.record == 7)
        }
    }

    @Test("The last record is sealed too, though nothing comes after it", .timeLimit(.minutes(1)))
    func lastRecord() async throws {
        try await withAuditLog { log, database, settings in
            for number in 1...15 { try await log.append(auditRecord(number)) }
            while sealed(settings) != 15 { await Task.yield() }
            try await cut(database, after: 14)
            #expect(try await AuditLog(database, settings: settings).verify().problem?.record == 15)
        }
    }

    @Test("A seal is never put back to an earlier record by a slower process", .timeLimit(.minutes(1)))
    func sealsRise() async throws {
        try await withAuditLog { log, database, settings in
            let other = try AuditLog(try await SecurityDatabase.open(settings), settings: settings)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    let (writer, record) = (number % 2 == 0 ? log : other, auditRecord(number))
                    group.addTask { try await writer.append(record) }
                }
                var highest = 0
                for _ in 0..<200 {
                    try await group.next()
                    let now = sealed(settings) ?? 0
                    #expect(now >= highest)
                    highest = now
                }
            }
            while sealed(settings) != 200 { await Task.yield() }
            #expect(try await log.verify().problem == nil)
        }
    }

    @Test("Who takes the first records away cannot pass it off as retention")
    func forgedRetention() async throws {
        try await withAuditLog { log, database, _ in
            try await log.append((1...10).map(auditRecord))
            try await database.writer.write { db in
                try db.execute(
                    sql: """
                        UPDATE security_audit_head SET pruned_id = 4, pruned_hash = (SELECT hash FROM security_audit_logs WHERE log_id = 4);
                        DELETE FROM security_audit_logs WHERE log_id <= 4;
                        """)
            }
            #expect(try await log.verify().problem != nil)
        }
    }

    @Test("weakness_25_calls_that_come_together_share_commits")
    func weakness_25_sharing() async throws {
        try await withAuditLog { log, database, settings in
            let clock = ContinuousClock()
            // What one synced commit costs here, alone.
            var syncs: [Duration] = []
            for number in 0..<40 { syncs.append(try await clock.measure { try await log.append(auditRecord(number)) }) }
            let sync = syncs.sorted()[20]
            let permissions = Permissions(Identities(database), settings: settings)
            let caller = Caller(id: "dev_user", role: .developer)
            let started = clock.now
            let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        var times: [Duration] = []
                        for number in 0..<150 {
                            let begun = clock.now
                            _ = try await permissions.isPermitted(caller, "read_file")
                            try await log.append(auditRecord(number))
                            times.append(begun.duration(to: clock.now))
                        }
                        return times
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            let whole = started.duration(to: clock.now)
            let sorted = times.sorted()
            let p95 = sorted[sorted.count * 95 / 100]
            print(
                "audited calls: \(Int(Double(sorted.count) / whole.seconds))/s, p50 \(sorted[sorted.count / 2]), p95 \(p95), commit \(sync)"
            )
            // Records of one commit bear one time.
            let commits = try await database.writer.read { db in
                try Int.fetchOne(db, sql: "SELECT count(DISTINCT timestamp) FROM security_audit_logs WHERE log_id > 40") ?? 0
            }
            #expect(sorted.count == 4_800 && commits < 4_800 / 4, "\(commits) commits")
            let verdict = try await log.verify()
            #expect(verdict.records == 4_840 && verdict.problem == nil)
            let one = try await clock.measure { for _ in 0..<1_000 { _ = try await permissions.isPermitted(caller, "read_file") } }
            print("a permission check: \(one / 1_000)")
        }
    }
}
