import GRDB

/// The tables of the security database, with the names that the reference system gave them. Migrations are only ever added.
enum SecuritySchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("identities") { db in try db.execute(sql: identities) }
        migrator.registerMigration("audit") { db in try db.execute(sql: audit) }
        registerApprovals(&migrator)
        migrator.registerMigration("views") { db in try db.execute(sql: views) }
        migrator.registerMigration("signed retention of the audit log") { db in
            try db.execute(sql: "ALTER TABLE security_audit_head ADD COLUMN pruned_signature TEXT")
        }
        // The last use stands apart from the keys: it changes all the time, and changes of keys have every process read them again.
        migrator.registerMigration("rotation and use of keys") { db in
            try db.execute(
                sql: """
                    ALTER TABLE security_keys ADD COLUMN replaced_by TEXT;
                    CREATE TABLE security_key_uses (
                        key_id INTEGER PRIMARY KEY REFERENCES security_keys (key_id) ON DELETE CASCADE, last_used_at TEXT NOT NULL);
                    """)
        }
        migrator.registerMigration("keys that use memory") { db in
            try db.execute(sql: "ALTER TABLE security_keys ADD COLUMN memory INTEGER NOT NULL DEFAULT 0")
        }
        return migrator
    }

    private static let identities = """
        CREATE TABLE security_roles (
            role_id INTEGER PRIMARY KEY AUTOINCREMENT, role_name TEXT NOT NULL UNIQUE, description TEXT,
            created_at TEXT NOT NULL DEFAULT (datetime('now')), is_system_role INTEGER NOT NULL DEFAULT 0);
        CREATE TRIGGER security_roles_protect BEFORE DELETE ON security_roles WHEN OLD.is_system_role = 1
            BEGIN SELECT RAISE(ABORT, 'Cannot delete system role'); END;
        CREATE TABLE security_users (
            user_id TEXT PRIMARY KEY, username TEXT NOT NULL, role_id INTEGER REFERENCES security_roles (role_id) ON DELETE SET NULL,
            created_at TEXT NOT NULL DEFAULT (datetime('now')), updated_at TEXT NOT NULL DEFAULT (datetime('now')),
            is_active INTEGER NOT NULL DEFAULT 1);
        CREATE INDEX security_users_role ON security_users (role_id);
        CREATE INDEX security_users_active ON security_users (is_active);
        CREATE TRIGGER security_users_touch AFTER UPDATE OF username, role_id, is_active ON security_users
            BEGIN UPDATE security_users SET updated_at = datetime('now') WHERE user_id = NEW.user_id; END;
        CREATE TABLE security_permissions (
            permission_id INTEGER PRIMARY KEY AUTOINCREMENT, permission_name TEXT NOT NULL UNIQUE, resource_type TEXT NOT NULL,
            action TEXT NOT NULL, description TEXT, sensitivity_level TEXT NOT NULL DEFAULT 'MEDIUM',
            created_at TEXT NOT NULL DEFAULT (datetime('now')));
        CREATE INDEX security_permissions_type ON security_permissions (resource_type);
        CREATE INDEX security_permissions_sensitivity ON security_permissions (sensitivity_level);
        CREATE TABLE security_role_permissions (
            role_id INTEGER NOT NULL REFERENCES security_roles (role_id) ON DELETE CASCADE,
            permission_id INTEGER NOT NULL REFERENCES security_permissions (permission_id) ON DELETE CASCADE,
            granted_at TEXT NOT NULL DEFAULT (datetime('now')), granted_by TEXT NOT NULL DEFAULT 'system',
            PRIMARY KEY (role_id, permission_id));
        CREATE INDEX security_role_permissions_permission ON security_role_permissions (permission_id);
        CREATE TABLE security_keys (
            key_id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL REFERENCES security_users (user_id) ON DELETE CASCADE,
            name TEXT NOT NULL, prefix TEXT NOT NULL UNIQUE, hash BLOB NOT NULL UNIQUE, created_at TEXT NOT NULL, expires_at TEXT,
            revoked_at TEXT);
        CREATE INDEX security_keys_user ON security_keys (user_id);
        CREATE TABLE security_sessions (
            session_id TEXT PRIMARY KEY, user_id TEXT REFERENCES security_users (user_id) ON DELETE CASCADE, created_at TEXT NOT NULL,
            last_activity TEXT NOT NULL, expires_at TEXT NOT NULL, ip_address TEXT, user_agent TEXT, is_active INTEGER NOT NULL DEFAULT 1);
        CREATE INDEX security_sessions_user ON security_sessions (user_id);
        CREATE INDEX security_sessions_expires ON security_sessions (expires_at);
        CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (datetime('now')), description TEXT);
        INSERT INTO schema_version (version, description) VALUES (1, 'users, roles, keys, approvals, audit');
        CREATE TABLE security_state (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL);
        INSERT INTO security_state VALUES (1, 1);
        """ + ["security_users", "security_roles", "security_role_permissions", "security_keys"].map(bumps).joined()

    /// Every change of who may do what makes the number grow that tells processes to read it again.
    private static func bumps(_ table: String) -> String {
        ["INSERT", "UPDATE", "DELETE"].map { event in
            """

            CREATE TRIGGER \(table)_\(event.lowercased())_seen AFTER \(event) ON \(table)
                BEGIN UPDATE security_state SET generation = generation + 1; END;
            """
        }.joined()
    }

    private static let audit = """
        CREATE TABLE security_audit_logs (
            log_id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, tool_name TEXT NOT NULL, action TEXT NOT NULL,
            status TEXT NOT NULL, error_message TEXT, request_data TEXT, timestamp TEXT NOT NULL, execution_time_ms INTEGER,
            ip_address TEXT, session_id TEXT, request_id TEXT, hash BLOB NOT NULL);
        CREATE INDEX security_audit_logs_user ON security_audit_logs (user_id);
        CREATE INDEX security_audit_logs_tool ON security_audit_logs (tool_name);
        CREATE INDEX security_audit_logs_timestamp ON security_audit_logs (timestamp);
        CREATE INDEX security_audit_logs_status ON security_audit_logs (status);
        CREATE TABLE security_audit_head (
            id INTEGER PRIMARY KEY CHECK (id = 1), last_id INTEGER NOT NULL, hash BLOB NOT NULL, pruned_id INTEGER NOT NULL,
            pruned_hash BLOB NOT NULL);
        INSERT INTO security_audit_head VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
        """

    private static let views = """
        CREATE VIEW v_user_permissions AS
            SELECT u.user_id, u.username, r.role_name, p.permission_name, p.resource_type, p.action, p.sensitivity_level
            FROM security_users u JOIN security_roles r ON r.role_id = u.role_id
            JOIN security_role_permissions rp ON rp.role_id = r.role_id JOIN security_permissions p ON p.permission_id = rp.permission_id
            WHERE u.is_active = 1;
        CREATE VIEW v_recent_audit_logs AS
            SELECT * FROM security_audit_logs WHERE timestamp >= datetime('now', '-24 hours') ORDER BY log_id DESC;
        CREATE VIEW v_permission_denials AS
            SELECT user_id, tool_name, COUNT(*) AS denial_count, MAX(timestamp) AS last_denial FROM security_audit_logs
            WHERE status = 'denied' GROUP BY user_id, tool_name;
        """
}
