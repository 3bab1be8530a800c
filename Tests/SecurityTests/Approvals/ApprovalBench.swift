import Foundation
import GRDB
import ServiceKit
import Suite
import Synchronization
import SystemPackage
import TestSupport

@testable import Security

/// A clock that a test moves.
final class MovableClock: Sendable {
    private let moment = Mutex(Date(timeIntervalSince1970: 1_800_000_000))

    var now: Date { moment.withLock { $0 } }
    func move(_ seconds: TimeInterval) { moment.withLock { $0 += seconds } }
}

/// Who may decide, as a test says.
final class NamedApprovers: ApproverDirectory {
    let names: Mutex<Set<String>>

    init(_ names: Set<String>) { self.names = Mutex(names) }

    func holds(_ permission: ApprovalPermission, _ caller: Caller) async throws -> Bool { names.withLock { $0.contains(caller.id) } }
    func hasApprover(besides userID: String) async throws -> Bool { names.withLock { !$0.subtracting([userID]).isEmpty } }
}

/// Approvals over a database file of a test's own.
struct ApprovalBench {
    let path: FilePath
    let settings: Settings
    let clock = MovableClock()
    let directory = NamedApprovers(["boss", "chief"])

    let asker = Caller(id: "dev", role: .developer)
    let boss = Caller(id: "boss", role: .developer)
    let admin = Caller(id: "admin", role: .admin)

    init(_ folder: FilePath, _ values: [String: String] = [:]) async throws {
        path = folder.appending("security.db")
        settings = try await Settings.test(values, folder: folder)
    }

    /// Opens the file as one process would; a second call is a second process, or the first one started again.
    func database() throws -> DatabasePool {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let pool = try DatabasePool(path: path.string, configuration: configuration)
        var migrator = DatabaseMigrator()
        registerApprovals(&migrator)
        try migrator.migrate(pool)
        return pool
    }

    func open() throws -> Approvals {
        Approvals(database: try database(), settings: settings, directory: directory, now: { [clock] in clock.now })
    }

    func ask(_ approvals: Approvals, _ command: String = "ls", by caller: Caller? = nil) async throws -> ApprovalRequest {
        let call = try CallDigest(tool: "execute_bash", arguments: ["command": .string(command)])
        return try await approvals.request(
            tool: "execute_bash", digest: call.digest, arguments: call.arguments, preview: command, caller: caller ?? asker)
    }

    func redeem(_ approvals: Approvals, _ request: ApprovalRequest, id: String? = nil) async throws -> ApprovalRequest? {
        try await approvals.redeem(digest: request.digest, tool: request.tool, caller: Caller(id: request.userID, role: .developer), id: id)
    }
}

/// The code of the error a call throws; `nil` when it throws none.
func code(_ call: () async throws -> some Any) async -> String? {
    do {
        _ = try await call()
        return nil
    } catch {
        return (error as? ServiceError)?.code ?? "\(error)"
    }
}
