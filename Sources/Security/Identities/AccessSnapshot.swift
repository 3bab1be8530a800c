import Foundation
import GRDB
import ServiceKit

/// Who there is and what they may do, as the database had it at one moment.
struct AccessSnapshot: Sendable {
    struct User: Sendable {
        let id: String
        let roleName: String
        let permissions: Set<String>

        /// A role that an administrator made opens no routes but those of guests; its tools are granted one by one.
        var caller: Caller { caller(usingMemory: false) }

        func caller(usingMemory usesMemory: Bool) -> Caller {
            let role = Role.systemRoles.first { $0.rawValue == roleName } ?? .guest
            return Caller(id: id, role: role, roleName: roleName, usesMemory: usesMemory)
        }
    }

    struct Key: Sendable {
        let id: Int64
        let digest: [UInt8]
        let userID: String
        let expires: Date?
        let usesMemory: Bool
    }

    let generation: Int
    /// Active users alone.
    let users: [String: User]
    /// Keys that are not revoked, of active users, by the prefix under which they are listed.
    let keys: [String: Key]

    init(_ db: Database) throws {
        generation = try Int.fetchOne(db, sql: "SELECT generation FROM security_state") ?? 0
        var permissions: [String: Set<String>] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT user_id, permission_name FROM v_user_permissions") {
            permissions[row["user_id"], default: []].insert(row["permission_name"])
        }
        var users: [String: User] = [:]
        let known = try Row.fetchAll(
            db,
            sql: """
                SELECT u.user_id, r.role_name FROM security_users u JOIN security_roles r ON r.role_id = u.role_id WHERE u.is_active = 1
                """)
        for row in known {
            let id: String = row["user_id"]
            users[id] = User(id: id, roleName: row["role_name"], permissions: permissions[id] ?? [])
        }
        self.users = users
        var keys: [String: Key] = [:]
        let inForce = try Row.fetchAll(
            db, sql: "SELECT key_id, prefix, user_id, hash, expires_at, memory FROM security_keys WHERE revoked_at IS NULL")
        for row in inForce {
            guard users[row["user_id"]] != nil else { continue }
            let hash: Data = row["hash"]
            let expires: String? = row["expires_at"]
            // An expiry that cannot be read is one that has passed.
            keys[row["prefix"]] = Key(
                id: row["key_id"], digest: Array(hash), userID: row["user_id"], expires: expires.map { Date(sqlText: $0) ?? .distantPast },
                usesMemory: row["memory"])
        }
        self.keys = keys
    }
}
