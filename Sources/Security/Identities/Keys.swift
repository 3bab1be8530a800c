import Crypto
import Foundation
import GRDB
import ServiceKit

/// A key as it is listed: everything but the key. Times are UTC.
public struct KeyRecord: Sendable, Codable, FetchableRecord {
    public let prefix: String
    public let user_id: String
    public let name: String
    public let created_at: String
    public let expires_at: String?
    /// To the minute; `nil` for one that was never used.
    public let last_used_at: String?
    /// The prefix of the key that it was rotated into.
    public let replaced_by: String?
    public let revoked_at: String?
    /// Whether chats with it use memory where the request does not say.
    public let memory: Bool
}

/// A key that was just made. Its text is told this once.
public struct NewKey: Sendable, Codable {
    public let key: String
    public let prefix: String
    public let user_id: String
    public let name: String
    public let expires_at: String?
    public let memory: Bool
    /// Until when the key that it replaces is still good; `nil` where that one ended at once, or there is none.
    public let old_key_until: String?
}

/// Keys of users: 256 random bits each, kept as SHA-256 (a hash made for passwords would add nothing to that), found by a short prefix.
extension Directory {
    /// The longest that a key may go on after it was rotated.
    public static let longestGrace: Duration = .seconds(30 * 86_400)

    public func keys() async throws -> [KeyRecord] {
        try await database.pool.read { db in try KeyRecord.fetchAll(db, sql: Self.keyQuery + " ORDER BY k.key_id") }
    }

    /// - Parameters:
    ///   - lifetime: how long it is good; `nil`: until it is revoked.
    ///   - memory: whether chats with it use memory where the request does not say.
    /// - Throws: 404 for an unknown user, 422 for a name that cannot be one.
    public func issueKey(for user: String, name: String, lifetime: Duration?, memory: Bool = false) async throws -> NewKey {
        try NameRules.checkText(name, "name", maxBytes: 128, isRequired: true)
        let made = MadeKey(user: user, name: name, lifetime: lifetime?.seconds, memory: memory)
        try await database.pool.write(made.insert)
        return made.told(oldKeyUntil: nil)
    }

    /// A new key in the place of an old one, good for as long as the old one was when it was made.
    ///
    /// - Parameters:
    ///   - key: the old key's prefix, or its name where only one key in force bears it.
    ///   - grace: how long the old one goes on, so that it can be changed where it is used; at most ``longestGrace``. Without, it ends at once.
    /// - Throws: 404 when no such key is in force, 409 where several bear the name, or the key was rotated before.
    public func rotateKey(_ key: String, grace: Duration = .zero) async throws -> NewKey {
        guard (.zero...Self.longestGrace).contains(grace) else {
            throw ServiceError.invalid("A key goes on for 30 days at the most after it was rotated.", parameter: "grace")
        }
        return try await database.pool.write { db in
            let old = try Self.inForce(key, db)
            if let next = old.replaced_by {
                throw ServiceError.conflict("The key \(old.prefix) was rotated already; its successor is \(next).", code: "key_replaced")
            }
            let made = MadeKey(user: old.user_id, name: old.name, lifetime: old.lifetime, memory: old.memory)
            try made.insert(db)
            let end = Date.now.addingTimeInterval(grace.seconds).sqlText
            // It does not live longer than it would have.
            let until = grace == .zero ? nil : min(end, old.expires_at ?? end)
            if let until {
                try db.execute(sql: "UPDATE security_keys SET expires_at = ? WHERE prefix = ?", arguments: [until, old.prefix])
            } else {
                try Self.revoke(old.prefix, db)
            }
            try db.execute(sql: "UPDATE security_keys SET replaced_by = ? WHERE prefix = ?", arguments: [made.prefix, old.prefix])
            return made.told(oldKeyUntil: until)
        }
    }

    /// Has chats with a key use memory where the request does not say, or no longer.
    ///
    /// - Parameter key: as in ``rotateKey(_:grace:)``.
    /// - Throws: 404 when no such key is in force, 409 where several bear the name.
    public func setMemory(_ isOn: Bool, ofKey key: String) async throws -> KeyRecord {
        try await database.pool.write { db in
            let prefix = try Self.inForce(key, db).prefix
            try db.execute(sql: "UPDATE security_keys SET memory = ? WHERE prefix = ?", arguments: [isOn, prefix])
            return try Self.inForce(prefix, db)
        }
    }

    /// - Parameter key: as in ``rotateKey(_:grace:)``.
    /// - Throws: 404 when no such key is in force, 409 where several bear the name.
    public func revokeKey(_ key: String) async throws {
        try await database.pool.write { db in try Self.revoke(try Self.inForce(key, db).prefix, db) }
    }

    /// The key with a prefix, or the only one with a name, that is neither revoked nor past its end.
    private static func inForce(_ key: String, _ db: GRDB.Database) throws -> KeyRecord {
        let found = try KeyRecord.fetchAll(
            db,
            sql: keyQuery + """
                 WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?2) AND (k.prefix = ?1 OR k.name = ?1)
                """, arguments: [key, Date.now.sqlText])
        if let exact = found.first(where: { $0.prefix == key }) { return exact }
        guard found.count <= 1 else {
            let prefixes = found.prefix(8).map(\.prefix).joined(separator: ", ")
            throw ServiceError.conflict("\(found.count) keys are called “\(shown(key))”: \(prefixes).", code: "ambiguous_key")
        }
        guard let only = found.first else {
            throw ServiceError.notFound("No key in force has the prefix “\(shown(key))”. See: maru key list", code: "key_not_found")
        }
        return only
    }

    private static func revoke(_ prefix: String, _ db: GRDB.Database) throws {
        try db.execute(sql: "UPDATE security_keys SET revoked_at = ? WHERE prefix = ?", arguments: [Date.now.sqlText, prefix])
    }

    /// How a key that somebody names is spoken of: whole keys are pasted too, and are secrets.
    public static func shown(_ key: String) -> String { key.hasPrefix("maru_") ? prefix(of: key) : String(key.prefix(64)) }

    /// The part of a key by which it is listed and found; no secret.
    static func prefix(of key: String) -> String { String(key.prefix(13)) }

    private static let keyQuery = """
        SELECT k.prefix, k.user_id, k.name, k.created_at, k.expires_at, u.last_used_at, k.replaced_by, k.revoked_at, k.memory
        FROM security_keys k LEFT JOIN security_key_uses u ON u.key_id = k.key_id
        """
}

extension KeyRecord {
    /// Seconds from when it was made to its end; `nil` for one without.
    fileprivate var lifetime: TimeInterval? {
        guard let end = expires_at.flatMap({ Date(sqlText: $0) }), let start = Date(sqlText: created_at) else { return nil }
        return end.timeIntervalSince(start)
    }
}

/// A key that is not in the database yet.
private struct MadeKey: Sendable {
    let key: String
    let user: String
    let name: String
    let expires: String?
    let memory: Bool

    var prefix: String { Directory.prefix(of: key) }

    init(user: String, name: String, lifetime: TimeInterval?, memory: Bool) {
        key = "maru_" + SymmetricKey(size: .bits256).withUnsafeBytes { Array($0).hex }
        self.user = user
        self.name = name
        self.memory = memory
        expires = lifetime.map { Date.now.addingTimeInterval($0).sqlText }
    }

    func insert(_ db: Database) throws {
        guard try String.fetchOne(db, sql: "SELECT user_id FROM security_users WHERE user_id = ?", arguments: [user]) != nil else {
            throw ServiceError.notFound("There is no user “\(user.prefix(64))”. See: maru user list", code: "user_not_found")
        }
        try db.execute(
            sql: "INSERT INTO security_keys (user_id, name, prefix, hash, created_at, expires_at, memory) VALUES (?, ?, ?, ?, ?, ?, ?)",
            arguments: [user, name, prefix, Data(KeyAuthenticator.digest(key)), Date.now.sqlText, expires, memory])
    }

    func told(oldKeyUntil: String?) -> NewKey {
        NewKey(key: key, prefix: prefix, user_id: user, name: name, expires_at: expires, memory: memory, old_key_until: oldKeyUntil)
    }
}
