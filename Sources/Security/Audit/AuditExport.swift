import Foundation
import GRDB
import ServiceKit

/// In which form records leave the log.
public enum AuditFormat: String, Sendable, CaseIterable {
    /// One JSON object a line.
    case jsonl
    /// RFC 4180, with a header and lines that end with CRLF. No cell is a formula to a spreadsheet.
    case csv
}

extension AuditLog {
    /// Records after one, oldest first: an export reads page by page and holds none of them long.
    public nonisolated func page(after id: Int64, upTo last: Int64 = .max, limit: Int = 1_000) async throws -> [AuditEntry] {
        try await database.pool.read { db in
            try AuditEntry.fetchAll(
                db, sql: "SELECT * FROM security_audit_logs WHERE log_id > ? AND log_id <= ? ORDER BY log_id LIMIT ?",
                arguments: [id, last, limit])
        }
    }

    /// Gives every record that the log has now, oldest first, in pieces of text. What is written meanwhile is for the next export: one of a
    /// busy log ends too.
    ///
    /// - Throws: the database's error, or what `write` throws.
    public nonisolated func export(_ format: AuditFormat, to write: (String) throws -> Void) async throws {
        let last = try await database.pool.read { db in
            try Int64.fetchOne(db, sql: "SELECT max(log_id) FROM security_audit_logs") ?? 0
        }
        if format == .csv { try write(AuditEntry.csvHeader) }
        var position: Int64 = 0
        while true {
            let page = try await page(after: position, upTo: last)
            guard let end = page.last else { return }
            switch format {
            case .csv: try write(page.map(\.csv).joined())
            case .jsonl:
                try write(page.map { String(decoding: try JSONEncoder.sorted.encode($0), as: UTF8.self) + "\n" }.joined())
            }
            position = end.log_id
        }
    }
}

extension AuditEntry {
    static let csvHeader =
        [
            "log_id", "timestamp", "user_id", "tool_name", "action", "status", "error_message", "request_data", "execution_time_ms",
            "ip_address", "session_id", "request_id",
        ].joined(separator: ",") + "\r\n"

    /// The record as one line.
    var csv: String {
        let cells = [
            String(log_id), timestamp, user_id, tool_name, action, status, error_message, request_data, execution_time_ms.map(String.init),
            ip_address, session_id, request_id,
        ]
        return cells.map { Self.cell($0 ?? "") }.joined(separator: ",") + "\r\n"
    }

    /// One cell. Spreadsheets take a text that begins with one of these for a formula and carry it out, whoever wrote it
    /// (https://owasp.org/www-community/attacks/CSV_Injection); an apostrophe before it makes it text again.
    static func cell(_ text: String) -> String {
        let formulas: Set<Unicode.Scalar> = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]
        let safe = text.unicodeScalars.first.map(formulas.contains) == true ? "'" + text : text
        guard safe.unicodeScalars.contains(where: { $0 == "\"" || $0 == "," || $0 == "\r" || $0 == "\n" }) else { return safe }
        return "\"" + safe.replacing("\"", with: "\"\"") + "\""
    }
}
