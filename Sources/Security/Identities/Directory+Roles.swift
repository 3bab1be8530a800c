import GRDB
import ServiceKit
import SuiteAPI

/// Roles, and what each grants.
extension Directory {
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

    /// - Throws: 404 for an unknown role.
    public func role(_ name: String) async throws -> RoleRecord {
        guard let found = try await roles().first(where: { $0.role == name }) else { throw Self.unknownRole(name) }
        return found
    }

    /// - Throws: 409 where the name is taken, 422 for one that cannot be a name, 404 for an unknown permission; nothing is made then.
    public func addRole(_ name: String, description: String, permissions: [String], by grantor: String = "operator") async throws {
        try NameRules.checkID(name, "role")
        guard !NameRules.reserved.contains(name) else {
            throw ServiceError.invalid("“\(name)” is a name of the stack's own.", parameter: "role")
        }
        try NameRules.checkText(description, "description", maxBytes: 512)
        try await database.pool.write { db in
            guard try String.fetchOne(db, sql: "SELECT role_name FROM security_roles WHERE role_name = ?", arguments: [name]) == nil else {
                throw ServiceError.conflict("There is a role “\(name)” already.", code: "role_exists")
            }
            try db.execute(sql: "INSERT INTO security_roles (role_name, description) VALUES (?, ?)", arguments: [name, description])
            let id = db.lastInsertedRowID
            for permission in permissions { try Self.grant(permission, to: id, by: grantor, db) }
        }
    }

    /// Changes what is given of a role, all of it or nothing. What it grants counts with the next call of whoever has it.
    ///
    /// - Throws: 404 for an unknown role or permission, 409 for taking from the role admin, 422 for a description that cannot be one.
    public func changeRole(
        _ name: String, description: String? = nil, grant: [String] = [], revoke: [String] = [], by grantor: String
    ) async throws {
        if let description { try NameRules.checkText(description, "description", maxBytes: 512) }
        guard revoke.isEmpty || name != Role.admin.rawValue else {
            throw ServiceError.conflict("The role admin holds every permission.", code: "system_role")
        }
        try await database.pool.write { db in
            let id = try Self.roleID(name, db)
            if let description {
                try db.execute(sql: "UPDATE security_roles SET description = ? WHERE role_id = ?", arguments: [description, id])
            }
            for permission in grant { try Self.grant(permission, to: id, by: grantor, db) }
            for permission in revoke {
                try db.execute(
                    sql: "DELETE FROM security_role_permissions WHERE role_id = ? AND permission_id = ?",
                    arguments: [id, try Self.permissionID(permission, db)])
            }
        }
    }

    public func grant(_ permission: String, to role: String, by grantor: String) async throws {
        try await changeRole(role, grant: [permission], by: grantor)
    }

    public func revoke(_ permission: String, from role: String) async throws {
        try await changeRole(role, revoke: [permission], by: "operator")
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

    static func roleID(_ name: String, _ db: GRDB.Database) throws -> Int64 {
        guard let id = try Int64.fetchOne(db, sql: "SELECT role_id FROM security_roles WHERE role_name = ?", arguments: [name]) else {
            throw unknownRole(name)
        }
        return id
    }

    private static func unknownRole(_ name: String) -> ServiceError {
        .notFound("There is no role “\(name.prefix(64))”. See: maru role list", code: "role_not_found")
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
}
