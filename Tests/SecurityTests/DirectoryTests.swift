import Foundation
import GRDB
import HTTPTypes
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Security

@Suite("Users, roles, keys")
struct DirectoryTests {
    private struct Stack {
        let database: SecurityDatabase
        let directory: Security.Directory
        let permissions: Permissions
        let authenticator: KeyAuthenticator

        init(_ settings: Settings) async throws {
            database = try await SecurityDatabase.open(settings)
            let identities = Identities(database)
            directory = Directory(database)
            permissions = Permissions(identities, settings: settings)
            authenticator = try KeyAuthenticator(settings: settings, identities: identities)
        }
    }

    private func withStack(_ values: [String: String] = [:], _ body: (Stack, Settings) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(values, folder: folder)
            try await body(try await Stack(settings), settings)
        }
    }

    @Test("weakness_01_09_a_new_database_is_whole_however_many_open_it_at_once")
    func weakness_01_09_opening() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { try await SecurityDatabase.open(settings).ping() } }
                try await group.waitForAll()
            }
            let database = try await SecurityDatabase.open(settings)
            let (tables, mappings, synchronous) = try await database.writer.write { db in
                (
                    try String.fetchSet(db, sql: "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"),
                    try Int.fetchOne(
                        db,
                        sql: """
                            SELECT COUNT(*) FROM security_role_permissions rp JOIN security_permissions p USING (permission_id)
                            WHERE p.resource_type != 'approval'
                            """), try Int.fetchOne(db, sql: "PRAGMA synchronous")
                )
            }
            let expected: Set<String> = [
                "security_users", "security_roles", "security_permissions", "security_role_permissions", "security_audit_logs",
                "security_sessions", "schema_version", "approval_requests", "pending_approvals", "v_user_permissions",
                "v_recent_audit_logs", "v_permission_denials",
            ]
            #expect(expected.isSubset(of: tables))
            #expect(mappings == 7 + 15 + 25)
            #expect(synchronous == 2, "FULL: what is decided survives a power cut")
        }
    }

    @Test("weakness_16_a_change_counts_with_the_next_call_in_every_process")
    func weakness_16_invalidation() async throws {
        try await withStack { stack, settings in
            let other = try await Stack(settings)
            try await stack.directory.addUser("alice", name: "Alice", role: "guest")
            let key = try await stack.directory.issueKey(for: "alice", name: "laptop", lifetime: nil)
            let alice = try #require(try await other.authenticator.caller(for: .init(key: key.key, userID: nil)))
            #expect(alice.role == .guest)
            #expect(try await other.permissions.isPermitted(alice, "write_file").0 == false)
            try await stack.directory.setRole("developer", of: "alice")
            #expect(try await other.permissions.isPermitted(alice, "write_file").0)
            try await stack.directory.revoke("write_file", from: "developer")
            #expect(try await other.permissions.isPermitted(alice, "write_file").0 == false)
            try await stack.directory.setActive(false, "alice")
            #expect(try await other.authenticator.caller(for: .init(key: key.key, userID: nil)) == nil)
            try await stack.directory.setActive(true, "alice")
            let next = try await stack.directory.rotateKey(key.prefix)
            #expect(try await other.authenticator.caller(for: .init(key: key.key, userID: nil)) == nil)
            #expect(try await other.authenticator.caller(for: .init(key: next.key, userID: nil))?.id == "alice")
            try await stack.directory.revokeKey(next.prefix)
            #expect(try await other.authenticator.caller(for: .init(key: next.key, userID: nil)) == nil)
        }
    }

    @Test("weakness_16_a_change_by_a_program_that_tells_nobody_counts_soon", .timeLimit(.minutes(1)))
    func weakness_16_otherProgram() async throws {
        try await withStack { stack, _ in
            try await stack.directory.addUser("alice", name: "Alice", role: "guest")
            let key = try await stack.directory.issueKey(for: "alice", name: "laptop", lifetime: nil)
            #expect(try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)) != nil)
            let told = stack.database.changes.number
            let other = try DatabaseQueue(path: stack.database.path.string)
            try await other.write { db in try db.execute(sql: "UPDATE security_users SET is_active = 0 WHERE user_id = 'alice'") }
            while try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)) != nil { await Task.yield() }
            #expect(stack.database.changes.number == told)
        }
    }

    @Test("Who cuts the file short that tells of changes ends nobody, and what was taken away counts at once all the same")
    func cutSignal() async throws {
        try await withStack { stack, _ in
            let key = try await stack.directory.issueKey(for: "dev_user", name: "laptop", lifetime: nil)
            let file = stack.database.path.removingLastComponent().appending("security.changes")
            try Data().write(to: URL(filePath: file.string), options: [])
            #expect(stack.database.changes.number == nil)
            #expect(try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)) != nil)
            try await stack.directory.removeUser("dev_user")
            #expect(stack.database.changes.number != nil)
            #expect(try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)) == nil)
        }
    }

    @Test("What an operator took away is not given back by the next start")
    func seedingAgain() async throws {
        try await withStack { stack, settings in
            try await stack.directory.revoke("execute_bash", from: "developer")
            try await stack.directory.removeUser("guest_user")
            let again = try await Stack(settings)
            #expect(try await again.directory.roles().first { $0.role == "developer" }?.permissions.contains("execute_bash") == false)
            #expect(try await again.directory.users().contains { $0.user_id == "guest_user" } == false)
        }
    }

    @Test("A role of one's own opens its tools and no routes beyond a guest's; roles of the system and in use stay")
    func customRoles() async throws {
        try await withStack { stack, _ in
            try await stack.directory.addRole("librarian", description: "reads", permissions: ["search_files", "approval:approve"])
            try await stack.directory.addUser("bo", name: "Bo", role: "librarian")
            let key = try await stack.directory.issueKey(for: "bo", name: "k", lifetime: .seconds(3_600))
            let bo = try #require(try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)))
            #expect(bo.role == .guest && bo.roleName == "librarian")
            #expect(try await stack.permissions.permitted(bo) == ["search_files", "approval:approve"])
            #expect(try await stack.authenticator.caller(for: .init(key: nil, userID: "bo")) == nil, "an approver needs the key")
            for role in ["librarian", "admin"] {
                await #expect(throws: ServiceError.self) { try await stack.directory.removeRole(role) }
            }
        }
    }

    @Test("An expired key, SQL in a key or a name, and the last administrator's end are refused")
    func refusals() async throws {
        try await withStack { stack, _ in
            let key = try await stack.directory.issueKey(for: "dev_user", name: "short", lifetime: .zero)
            #expect(try await stack.authenticator.caller(for: .init(key: key.key, userID: nil)) == nil)
            #expect(try await stack.authenticator.caller(for: .init(key: "maru_' OR '1'='1", userID: nil)) == nil)
            for id in ["", "a b", "x'; DROP TABLE security_users; --", "../x", String(repeating: "a", count: 65), "가"] {
                await #expect(throws: ServiceError.self) { try await stack.directory.addUser(id, name: "x", role: "guest") }
            }
            try await stack.directory.setActive(false, "admin_user")
            let error = await #expect(throws: ServiceError.self) { try await stack.directory.setRole("guest", of: "admin") }
            #expect(error?.code == "last_administrator")
        }
    }
}
