import Foundation
import GRDB
import ServiceKit
import SuiteAPI

/// What every security database holds: a permission for each tool, three roles, four users. Planting it again changes nothing that an
/// operator changed: roles are granted only permissions that are new here.
enum SecuritySeed {
    /// Permissions of approvals, for roles whose holders decide without being administrators.
    static let approvalPermissions = ApprovalPermission.allCases.map(\.rawValue)

    static let users: [(id: String, name: String, role: Role)] = [
        ("guest_user", "Guest User", .guest), ("dev_user", "Developer User", .developer), ("admin_user", "Admin User", .admin),
        ("admin", "Administrator", .admin),
    ]

    private static let roles: [(role: Role, description: String)] = [
        (.guest, "Reads: files, documents, the state of repositories"), (.developer, "Works: writes files, runs code, opens web pages"),
        (.admin, "Everything, and decides what others ask for"),
    ]

    static func plant(_ db: Database) throws {
        for (role, description) in roles {
            try db.execute(
                sql: "INSERT OR IGNORE INTO security_roles (role_name, description, is_system_role) VALUES (?, ?, 1)",
                arguments: [role.rawValue, description])
        }
        for tool in ToolCatalogue.all {
            let action = tool.action.rawValue
            try plant(
                db, permission: tool.name, resource: tool.resource.rawValue, action: action,
                description: "\(action.capitalized) permission for \(tool.name)", sensitivity: tool.sensitivity.rawValue.uppercased(),
                roles: Role.systemRoles.filter { $0 >= tool.leastRole })
        }
        for name in approvalPermissions {
            try plant(
                db, permission: name, resource: "approval", action: name.hasSuffix("view") ? "read" : "write",
                description: "\(name.dropFirst(9).capitalized) requests for approval", sensitivity: "HIGH", roles: [.admin])
        }
        let isNew = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM security_users") == 0
        for user in users where isNew {
            try db.execute(
                sql:
                    "INSERT INTO security_users (user_id, username, role_id) SELECT ?, ?, role_id FROM security_roles WHERE role_name = ?",
                arguments: [user.id, user.name, user.role.rawValue])
        }
    }

    private static func plant(
        _ db: Database, permission: String, resource: String, action: String, description: String, sensitivity: String, roles: [Role]
    ) throws {
        let known = try Row.fetchOne(
            db, sql: "SELECT resource_type, action, sensitivity_level FROM security_permissions WHERE permission_name = ?",
            arguments: [permission])
        if let known {
            // The catalogue decides what a tool is; a build that knows better corrects the row.
            guard known["resource_type"] != resource || known["action"] != action || known["sensitivity_level"] != sensitivity else {
                return
            }
            return try db.execute(
                sql: "UPDATE security_permissions SET resource_type = ?, action = ?, sensitivity_level = ? WHERE permission_name = ?",
                arguments: [resource, action, sensitivity, permission])
        }
        try db.execute(
            sql: """
                INSERT INTO security_permissions (permission_name, resource_type, action, description, sensitivity_level)
                VALUES (?, ?, ?, ?, ?)
                """, arguments: [permission, resource, action, description, sensitivity])
        for role in roles {
            try db.execute(
                sql: """
                    INSERT OR IGNORE INTO security_role_permissions (role_id, permission_id)
                    SELECT r.role_id, p.permission_id FROM security_roles r, security_permissions p
                    WHERE r.role_name = ? AND p.permission_name = ?
                    """, arguments: [role.rawValue, permission])
        }
    }
}

extension Role {
    /// The roles that people have; the services' own is none of them.
    static let systemRoles: [Role] = [.guest, .developer, .admin]
}

extension SecuritySeed {
    static let allTools = Set(ToolCatalogue.all.map(\.name))
}
