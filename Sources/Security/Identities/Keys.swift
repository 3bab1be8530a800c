import Crypto
import Foundation
import GRDB
import ServiceKit

/// A key as it is listed: everything but the key.
public struct KeyRecord: Sendable, Codable, FetchableRecord {
    public let prefix: String
    public let user_id: String
    public let name: String
    public let created_at: String
    public let expires_at: String?
    public let revoked_at: String?
}

/// A key that was just made. Its text is told this once.
public struct NewKey: Sendable, Codable {
    public let key: String
    public let prefix: String
    public let user_id: String
    public let expires_at: String?
}

/// Keys of users: 256 random bits each, kept as SHA-256 (a hash made for passwords would add nothing to that), found by a short prefix.
extension Directory {
    public func keys() async throws -> [KeyRecord] {
        try await database.pool.read { db in
            try KeyRecord.fetchAll(
                db, sql: "SELECT prefix, user_id, name, created_at, expires_at, revoked_at FROM security_keys ORDER BY key_id")
        }
    }

    /// - Parameter lifetime: how long it is good; `nil`: until it is revoked.
    /// - Throws: 404 for an unknown user.
    public func issueKey(for user: String, name: String, lifetime: Duration?) async throws -> NewKey {
        let made = Self.random()
        let expires = lifetime.map { Date.now.addingTimeInterval($0.seconds).sqlText }
        try await database.pool.write { db in try Self.insert(made, user, name, expires, db) }
        return NewKey(key: made.key, prefix: made.prefix, user_id: user, expires_at: expires)
    }

    /// A new key in the place of an old one, which is revoked at once.
    ///
    /// - Throws: 404 when no key in force has the prefix.
    public func rotateKey(_ prefix: String) async throws -> NewKey {
        let made = Self.random()
        return try await database.pool.write { db in
            let old = try Self.inForce(prefix, db)
            try Self.revoke(prefix, db)
            try Self.insert(made, old.user_id, old.name, old.expires_at, db)
            return NewKey(key: made.key, prefix: made.prefix, user_id: old.user_id, expires_at: old.expires_at)
        }
    }

    /// - Throws: 404 when no key in force has the prefix.
    public func revokeKey(_ prefix: String) async throws {
        try await database.pool.write { db in
            _ = try Self.inForce(prefix, db)
            try Self.revoke(prefix, db)
        }
    }

    private static func inForce(_ prefix: String, _ db: GRDB.Database) throws -> KeyRecord {
        let found = try KeyRecord.fetchOne(
            db,
            sql: """
                SELECT prefix, user_id, name, created_at, expires_at, revoked_at FROM security_keys WHERE prefix = ? AND revoked_at IS NULL
                """, arguments: [prefix])
        guard let found else {
            throw ServiceError.notFound("No key in force has the prefix “\(prefix.prefix(64))”. See: maru key list", code: "key_not_found")
        }
        return found
    }

    private static func revoke(_ prefix: String, _ db: GRDB.Database) throws {
        try db.execute(sql: "UPDATE security_keys SET revoked_at = ? WHERE prefix = ?", arguments: [Date.now.sqlText, prefix])
    }

    private static func insert(
        _ made: (key: String, prefix: String), _ user: String, _ name: String, _ expires: String?, _ db: GRDB.Database
    ) throws {
        guard try String.fetchOne(db, sql: "SELECT user_id FROM security_users WHERE user_id = ?", arguments: [user]) != nil else {
            throw ServiceError.notFound("There is no user “\(user.prefix(64))”. See: maru user list", code: "user_not_found")
        }
        try db.execute(
            sql: "INSERT INTO security_keys (user_id, name, prefix, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [user, name, made.prefix, Data(KeyAuthenticator.digest(made.key)), Date.now.sqlText, expires])
    }

    private static func random() -> (key: String, prefix: String) {
        let key = "maru_" + SymmetricKey(size: .bits256).withUnsafeBytes { Array($0).hex }
        return (key, prefix(of: key))
    }

    /// The part of a key by which it is listed and found.
    static func prefix(of key: String) -> String { String(key.prefix(13)) }
}
