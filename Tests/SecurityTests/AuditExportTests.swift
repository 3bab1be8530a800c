import Foundation
import GRDB
import ServiceKit
import Suite
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Security

@Suite("Export and anchor of the audit log")
struct AuditExportTests {
    @Test(
        "No cell of an export is a formula to a spreadsheet",
        arguments: [
            ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"), ("\r=1", "\"'\r=1\""),
            ("＝1", "'＝1"), ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""), ("a=1", "a=1"),
            ("two\nlines", "\"two\nlines\""), ("a\r\nb", "\"a\r\nb\""), ("", ""), ("가,나", "\"가,나\""),
        ])
    func formulas(text: String, cell: String) {
        #expect(AuditEntry.cell(text) == cell)
    }

    @Test("An export holds every record that was there when it began, oldest first, in pieces")
    func export() async throws {
        try await withAuditLog { log, _, _ in
            for start in stride(from: 0, to: 2_500, by: 500) { try await log.append((start..<start + 500).map(auditRecord)) }
            try await log.append(AuditRecord(userID: "=cmd", toolName: "read_file", action: "access", status: "denied"))
            var pieces: [String] = []
            try await log.export(.csv) { pieces.append($0) }
            #expect(pieces.count == 4, "a header and three pages")
            let lines = pieces.joined().components(separatedBy: "\r\n")
            #expect(lines.count == 2_503 && lines[0].hasPrefix("log_id,timestamp,user_id") && lines.last == "")
            #expect(lines[1].hasPrefix("1,") && lines[2_501].hasPrefix("2501,") && lines[2_501].contains(",'=cmd,"))
            var objects = 0
            try await log.export(.jsonl) { (piece: String) throws in
                for line in piece.split(separator: "\n") {
                    objects += 1
                    #expect(try JSONDecoder().decode(AuditEntry.self, from: Data(line.utf8)).log_id == Int64(objects))
                }
            }
            #expect(objects == 2_501)
        }
    }

    private func remove(_ name: String, _ settings: Settings) throws {
        try FileManager.default.removeItem(atPath: settings.dataFolders.secrets.appending(name).string)
    }

    @Test("A new log has its anchor before it has a record, and is whole")
    func fresh() async throws {
        try await withAuditLog { log, _, settings in
            let verdict = try await log.verify()
            #expect(verdict.records == 0 && verdict.problem == nil)
            #expect(FileManager.default.fileExists(atPath: settings.dataFolders.secrets.appending("audit.anchor").string))
        }
    }

    @Test("Who cuts off the end and removes the anchor is found, also when records come after, and when nothing is left")
    func anchorRemoved() async throws {
        for last in [6, 0] {
            try await withAuditLog { log, database, settings in
                try await log.append((1...10).map(auditRecord))
                try await log.seal()
                try await database.writer.write { db in
                    try db.execute(sql: "DELETE FROM security_audit_logs WHERE log_id > ?", arguments: [last])
                    try db.execute(
                        sql: """
                            UPDATE security_audit_head SET last_id = ?1, hash = coalesce(
                                (SELECT hash FROM security_audit_logs WHERE log_id = ?1), zeroblob(32))
                            """, arguments: [last])
                }
                try remove("audit.anchor", settings)
                let restarted = try AuditLog(try await SecurityDatabase.open(settings), settings: settings)
                #expect(try await restarted.verify().problem?.what.contains("anchor") == true)
                try await restarted.append(auditRecord(11))
                await #expect(throws: AuditProblem.self) { try await restarted.seal() }
                #expect(try await restarted.verify().problem?.what.contains("anchor") == true)
            }
        }
    }

    @Test("Who removes the key with the anchor is found as well, as long as a record is left")
    func keyRemoved() async throws {
        try await withAuditLog { log, _, settings in
            try await log.append((1...3).map(auditRecord))
            try await log.seal()
            try remove("audit.anchor", settings)
            try remove("audit.key", settings)
            let restarted = try AuditLog(try await SecurityDatabase.open(settings), settings: settings)
            #expect(try await restarted.verify().problem != nil)
        }
    }

    @Test("The anchor is made anew only where it is missing, and the log says by whom")
    func anew() async throws {
        try await withAuditLog { log, _, settings in
            try await log.append((1...3).map(auditRecord))
            try await log.seal()
            await #expect(throws: ServiceError.self) { try await log.anchorAnew(by: "cli:x") }
            try remove("audit.anchor", settings)
            try await log.anchorAnew(by: "cli:x")
            let verdict = try await log.verify()
            #expect(verdict.records == 4 && verdict.problem == nil)
            let record = try #require(try await log.list(AuditFilter(limit: 1)).first)
            #expect(record.user_id == "cli:x" && record.action == "administration" && record.error_message?.contains("anew") == true)
        }
    }

    @Test("An anchor that is there is not written over by opening the database, whatever became of its key")
    func evidence() async throws {
        try await withAuditLog { log, database, settings in
            try await log.append((1...3).map(auditRecord))
            try await log.seal()
            let path = settings.dataFolders.secrets.appending("audit.anchor").string
            let before = FileManager.default.contents(atPath: path)
            try remove("audit.key", settings)
            try await database.writer.write { db in
                try db.execute(sql: "DELETE FROM security_audit_logs; UPDATE security_audit_head SET last_id = 0, hash = zeroblob(32)")
            }
            let restarted = try AuditLog(try await SecurityDatabase.open(settings), settings: settings)
            #expect(FileManager.default.contents(atPath: path) == before)
            #expect(try await restarted.verify().problem != nil)
        }
    }
}
