import Foundation
import GRDB
import Metrics
import ServiceKit
import SuiteAPI

/// A user as the database has it.
public struct User: Sendable, Codable, FetchableRecord {
    public let user_id: String
    public let username: String
    public let role: String?
    public let is_active: Bool
    public let created_at: String
}

/// A role with the permissions it grants.
public struct RoleRecord: Sendable, Codable {
    public let role: String
    public let description: String
    public let is_system: Bool
    public let users: Int
    public let permissions: [String]
}

/// Users and roles, changed. Every change is seen by every process with its next call.
public struct Directory: Sendable {
    let database: SecurityDatabase

    public init(_ database: SecurityDatabase) { self.database = database }

    // MARK: Users

    public func users() async throws -> [User] {
        try await database.pool.read { db in try User.fetchAll(db, sql: Self.userQuery + " ORDER BY u.user_id") }
    }

    /// - Throws: 404 for an unknown user.
    public func user(_ id: String) async throws -> User {
        try await database.pool.read { db in try Self.user(id, db) }
    }

    /// - Throws: 409 where the id is taken, 422 for an id or a name that cannot be one, 404 for an unknown role.
    public func addUser(_ id: String, name: String, role: String) async throws {
        try NameRules.checkID(id, "user_id")
        guard !NameRules.reserved.contains(id) else {
            throw ServiceError.invalid("“\(id)” is a name of the stack's own.", parameter: "user_id")
        }
        try NameRules.checkText(name, "username", maxBytes: 128, isRequired: true)
        try await database.pool.write { db in
            let roleID = try Self.roleID(role, db)
            guard try String.fetchOne(db, sql: "SELECT user_id FROM security_users WHERE user_id = ?", arguments: [id]) == nil else {
                throw ServiceError.conflict("There is a user “\(id)” already.", code: "user_exists")
            }
            try db.execute(
                sql: "INSERT INTO security_users (user_id, username, role_id) VALUES (?, ?, ?)", arguments: [id, name, roleID])
        }
        Self.countAssignment(role)
    }

    /// Changes what is given of a user, all of it or nothing. A user who is not active is nobody, whatever keys there are.
    ///
    /// - Throws: 404 for an unknown user or role, 422 for a name that cannot be one; 409 where nobody would be left who can administer.
    public func changeUser(_ id: String, name: String? = nil, role: String? = nil, isActive: Bool? = nil) async throws {
        if let name { try NameRules.checkText(name, "username", maxBytes: 128, isRequired: true) }
        try await change(id) { db in
            if let name { try db.execute(sql: "UPDATE security_users SET username = ? WHERE user_id = ?", arguments: [name, id]) }
            if let role {
                try db.execute(
                    sql: "UPDATE security_users SET role_id = ? WHERE user_id = ?", arguments: [try Self.roleID(role, db), id])
            }
            if let isActive {
                try db.execute(sql: "UPDATE security_users SET is_active = ? WHERE user_id = ?", arguments: [isActive, id])
            }
        }
        if let role { Self.countAssignment(role) }
    }

    public func setRole(_ role: String, of id: String) async throws { try await changeUser(id, role: role) }

    public func setActive(_ isActive: Bool, _ id: String) async throws { try await changeUser(id, isActive: isActive) }

    /// Removes a user with all keys. What the audit log says of it stays.
    public func removeUser(_ id: String) async throws {
        try await change(id) { db in try db.execute(sql: "DELETE FROM security_users WHERE user_id = ?", arguments: [id]) }
    }

    /// An administrator without a key, other than the one whose key lies in a file, cannot come in and does not count.
    private func change(_ id: String, _ work: @escaping @Sendable (GRDB.Database) throws -> Void) async throws {
        try await database.pool.write { db in
            _ = try Self.user(id, db)
            try work(db)
            let administrators =
                try Int.fetchOne(
                    db,
                    sql: """
                        SELECT COUNT(*) FROM security_users u JOIN security_roles r ON r.role_id = u.role_id
                        WHERE u.is_active = 1 AND r.role_name = 'admin' AND (u.user_id = ?1 OR EXISTS (
                            SELECT 1 FROM security_keys k
                            WHERE k.user_id = u.user_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?2)))
                        """, arguments: [KeyAuthenticator.administrator, Date.now.sqlText]) ?? 0
            guard administrators > 0 else {
                throw ServiceError.conflict("Nobody would be left who can administer.", code: "last_administrator")
            }
        }
    }

    private static func user(_ id: String, _ db: GRDB.Database) throws -> User {
        guard let user = try User.fetchOne(db, sql: userQuery + " WHERE u.user_id = ?", arguments: [id]) else {
            throw ServiceError.notFound("There is no user “\(id.prefix(64))”. See: maru user list", code: "user_not_found")
        }
        return user
    }

    private static func countAssignment(_ role: String) {
        Counter(label: "rbac_role_assignments_total", dimensions: [("role", role)]).increment()
    }

    private static let userQuery = """
        SELECT u.user_id, u.username, r.role_name AS role, u.is_active, u.created_at
        FROM security_users u LEFT JOIN security_roles r ON r.role_id = u.role_id
        """
}
