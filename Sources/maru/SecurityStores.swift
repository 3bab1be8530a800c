import Foundation
import Security
import ServiceKit
import Suite

/// The security database as commands use it: directly, so that they work whether the stack runs or not. Whoever may write the file may
/// do all this anyway; what is done is recorded under the name of the system's user.
struct SecurityStores {
    let directory: Directory
    let audit: AuditLog

    init(_ flags: SettingFlags) async throws {
        let settings = try await flags.load()
        try settings.dataFolders.create()
        let database = try await SecurityDatabase.open(settings)
        directory = Directory(database)
        audit = try AuditLog(database, settings: settings)
    }

    /// Makes a change and records it.
    ///
    /// - Throws: ``CommandError`` with the reason when it cannot be made.
    func change<Value>(_ what: String, _ work: () async throws -> Value) async throws -> Value {
        let user = "cli:\(NSUserName())"
        do {
            let value = try await work()
            try await audit.append(
                AuditRecord(userID: user, toolName: "security", action: "administration", status: "success", errorMessage: what))
            try await audit.seal()
            return value
        } catch let error as ServiceError {
            try await audit.append(
                AuditRecord(
                    userID: user, toolName: "security", action: "administration", status: "error", errorMessage: "\(what): \(error.message)"
                ))
            try await audit.seal()
            throw CommandError(error.message)
        }
    }
}
