import Security
import Suite
import TestSupport

/// A record that differs from others by a number.
func auditRecord(_ number: Int) -> AuditRecord {
    AuditRecord(userID: "u", toolName: "read_file", action: "execute", status: "success", requestData: "{\"n\":\(number)}")
}

/// An audit log of a test's own.
func withAuditLog(_ body: (AuditLog, SecurityDatabase, Settings) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let settings = try await Settings.test(folder: folder)
        try settings.dataFolders.create()
        let database = try await SecurityDatabase.open(settings)
        try await body(try AuditLog(database, settings: settings), database, settings)
    }
}
