import Foundation
import GRDB
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

    /// - Throws: 409 where the id is taken, 422 for an id that cannot be one, 404 for an unknown role.
    public func addUser(_ id: String, name: String, role: String) async throws {
        try Self.check(id, "user id")
        try await database.pool.write { db in
            let roleID = try Self.roleID(role, db)
            guard try String.fetchOne(db, sql: "SELECT user_id FROM security_users WHERE user_id = ?", arguments: [id]) == nil else {
                throw ServiceError.conflict("There is a user “\(id)” already.", code: "user_exists")
            }
            try db.execute(
                sql: "INSERT INTO security_users (user_id, username, role_id) VALUES (?, ?, ?)", arguments: [id, name, roleID])
        }
    }

    /// - Throws: 404 for an unknown user or role; 409 where nobody would be left who can administer.
    public func setRole(_ role: String, of id: String) async throws {
        try await change(id) { db in
            try db.execute(
                sql: "UPDATE security_users SET role_id = ? WHERE user_id = ?", arguments: [try Self.roleID(role, db), id])
        }
    }

    /// A user who is not active is nobody, whatever keys there are.
    public func setActive(_ isActive: Bool, _ id: String) async throws {
        try await change(id) { db in
            try db.execute(sql: "UPDATE security_users SET is_active = ? WHERE user_id = ?", arguments: [isActive, id])
        }
    }

    /// Removes a user with all keys. What the audit log says of it stays.
    public func removeUser(_ id: String) async throws {
        try await change(id) { db in try db.execute(sql: "DELETE FROM security_users WHERE user_id = ?", arguments: [id]) }
    }

    private func change(_ id: String, _ work: @escaping @Sendable (GRDB.Database) throws -> Void) async throws {
        try await database.pool.write { db in
            guard try User.fetchOne(db, sql: Self.userQuery + " WHERE u.user_id = ?", arguments: [id]) != nil else {
                throw ServiceError.notFound("There is no user “\(id.prefix(64))”.", code: "user_not_found")
            }
            try work(db)
            let administrators =
                try Int.fetchOne(
                    db,
                    sql: """
                        SELECT COUNT(*) FROM security_users u JOIN security_roles r ON r.role_id = u.role_id
                        WHERE u.is_active = 1 AND r.role_name = 'admin'
                        """) ?? 0
            guard administrators > 0 else {
                throw ServiceError.conflict("Nobody would be left who can administer.", code: "last_administrator")
            }
        }
    }

    // MARK: Roles

    public func roles() async throws -> [RoleRecord] {
        try await database.pool.read { db in
            try Row.fetchAll(db, sql: "SELECT * FROM security_roles ORDER BY role_id").map { row in
                let id: Int64 = row["role_id"]
                return RoleRecord(
                    role: row["role_name"], description: row["description"] ?? "", is_system: row["is_system_role"],
                    users: try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM security_users WHERE role_id = ?", arguments: [id]) ?? 0,
                    permissions: try String.fetchAll(
                        db,
                        sql: """
                            SELECT permission_name FROM security_permissions p JOIN security_role_permissions rp
                            ON rp.permission_id = p.permission_id WHERE rp.role_id = ? ORDER BY p.permission_id
                            """, arguments: [id]))
            }
        }
    }

    /// - Throws: 409 where the name is taken, 422 for one that cannot be a name, 404 for an unknown permission.
    public func addRole(_ name: String, description: String, permissions: [String]) async throws {
        try Self.check(name, "role")
        try await database.pool.write { db in
            guard try String.fetchOne(db, sql: "SELECT role_name FROM security_roles WHERE role_name = ?", arguments: [name]) == nil else {
                throw ServiceError.conflict("There is a role “\(name)” already.", code: "role_exists")
            }
            try db.execute(sql: "INSERT INTO security_roles (role_name, description) VALUES (?, ?)", arguments: [name, description])
            let id = db.lastInsertedRowID
            for permission in permissions { try Self.grant(permission, to: id, by: "operator", db) }
        }
    }

    public func grant(_ permission: String, to role: String, by grantor: String) async throws {
        try await database.pool.write { db in try Self.grant(permission, to: try Self.roleID(role, db), by: grantor, db) }
    }

    public func revoke(_ permission: String, from role: String) async throws {
        guard role != Role.admin.rawValue else {
            throw ServiceError.conflict("The role admin holds every permission.", code: "system_role")
        }
        try await database.pool.write { db in
            try db.execute(
                sql: "DELETE FROM security_role_permissions WHERE role_id = ? AND permission_id = ?",
                arguments: [try Self.roleID(role, db), try Self.permissionID(permission, db)])
        }
    }

    /// - Throws: 409 for a role of the system, or one that users still have.
    public func removeRole(_ name: String) async throws {
        try await database.pool.write { db in
            let id = try Self.roleID(name, db)
            let isSystem =
                try Bool.fetchOne(db, sql: "SELECT is_system_role FROM security_roles WHERE role_id = ?", arguments: [id]) ?? true
            guard !isSystem else { throw ServiceError.conflict("“\(name)” is a role of the system and stays.", code: "system_role") }
            let users = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM security_users WHERE role_id = ?", arguments: [id]) ?? 0
            guard users == 0 else {
                throw ServiceError.conflict("\(users) users have the role “\(name)”; give them another first.", code: "role_in_use")
            }
            try db.execute(sql: "DELETE FROM security_roles WHERE role_id = ?", arguments: [id])
        }
    }

    private static func grant(_ permission: String, to role: Int64, by grantor: String, _ db: GRDB.Database) throws {
        try db.execute(
            sql: "INSERT OR IGNORE INTO security_role_permissions (role_id, permission_id, granted_by) VALUES (?, ?, ?)",
            arguments: [role, try permissionID(permission, db), grantor])
    }

    private static func roleID(_ name: String, _ db: GRDB.Database) throws -> Int64 {
        guard let id = try Int64.fetchOne(db, sql: "SELECT role_id FROM security_roles WHERE role_name = ?", arguments: [name]) else {
            throw ServiceError.notFound("There is no role “\(name.prefix(64))”. See: maru role list", code: "role_not_found")
        }
        return id
    }

    private static func permissionID(_ name: String, _ db: GRDB.Database) throws -> Int64 {
        guard
            let id = try Int64.fetchOne(
                db, sql: "SELECT permission_id FROM security_permissions WHERE permission_name = ?", arguments: [name])
        else {
            throw ServiceError.notFound(
                "There is no permission “\(name.prefix(64))”; a tool's name is one. See: maru tool list", code: "permission_not_found")
        }
        return id
    }

    private static let userQuery = """
        SELECT u.user_id, u.username, r.role_name AS role, u.is_active, u.created_at
        FROM security_users u LEFT JOIN security_roles r ON r.role_id = u.role_id
        """

    /// Ids stand in headers, logs and file names: they are short and plain.
    static func check(_ id: String, _ what: String) throws {
        guard id.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/#) != nil else {
            throw ServiceError.invalid(
                "“\(id.prefix(64))” cannot be a \(what): 1 to 64 letters, digits, dots, dashes and underscores of ASCII.", parameter: what)
        }
    }
}
