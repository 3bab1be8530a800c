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
    func change<Value: Sendable>(
        _ what: String, outcome: @escaping @Sendable (Value) -> String = { _ in "" }, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let administration = Administration(directory: directory, audit: audit)
        let result: Result<Value, any Error>
        do {
            result = .success(
                try await administration.change(what, by: Administrator(id: "cli:\(NSUserName())"), outcome: outcome, work))
        } catch let error as ServiceError {
            result = .failure(CommandError(error.message))
        }
        try await audit.seal()
        return try result.get()
    }
}
