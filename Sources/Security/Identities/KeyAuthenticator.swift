import Crypto
import Foundation
import ServiceKit
import Suite

/// Says who calls, by key; and in development mode also without one.
///
/// Keys are held as SHA-256 digests and compared in constant time. A wrong `maru_` key is refused in either mode: a caller who presents
/// one means to be somebody, and must not silently become somebody else.
public struct KeyAuthenticator: Authenticator {
    private let fileKeys: [(digest: [UInt8], isService: Bool)]
    private let identities: Identities
    private let uses: KeyUses
    private let mode: SecurityMode

    /// The user whose key lies in `DATA_DIR/secrets/admin.key`.
    static let administrator = "admin"
    /// The user that local callers are in development mode.
    static let developer = "dev_user"

    /// Knows the administrator's key, the services' own, and every key in the database.
    ///
    /// - Throws: when a key file cannot be read or made.
    public init(settings: Settings, identities: Identities) throws {
        let folders = settings.dataFolders
        var keys = [(digest: Self.digest(try KeyFile.service(folders).readOrCreate()), isService: true)]
        if let admin = try KeyFile.admin(folders).read() { keys.append((Self.digest(admin), false)) }
        fileKeys = keys
        self.identities = identities
        uses = KeyUses(identities.database)
        mode = settings[SettingKeys.securityMode]
    }

    /// - Throws: 503 when the database of users cannot be read.
    public func caller(for credentials: Credentials) async throws -> Caller? {
        guard let key = credentials.key else { return try await keyless(credentials) }
        // OpenAI's clients cannot be made without a key, so people give them any word. One that is not even shaped like ours means nobody.
        guard key.hasPrefix("maru_") || mode == .production else { return try await keyless(credentials) }
        let digest = Self.digest(key)
        // Every entry is compared whole, so that the time tells nothing about which one was near.
        let file = fileKeys.reduce(nil as Bool?) { found, entry in Self.areEqual(entry.digest, digest) ? entry.isService : found }
        if file == true { return Caller(id: "service", role: .service) }
        let snapshot = try await snapshot()
        if file == false { return snapshot.users[Self.administrator]?.caller }
        // Found by the part that is no secret. Where there is none, something is compared all the same.
        let found = snapshot.keys[Directory.prefix(of: key)]
        guard Self.areEqual(found?.digest ?? Self.noDigest, digest), let found, found.expires.map({ $0 > .now }) ?? true,
            let caller = snapshot.users[found.userID]?.caller(usingMemory: found.usesMemory)
        else { return nil }
        uses.note(found.id)
        return caller
    }

    /// In development mode a local caller is the developer user, or the user that `X-User-ID` names; never an administrator.
    private func keyless(_ credentials: Credentials) async throws -> Caller? {
        guard mode == .development else { return nil }
        let snapshot = try await snapshot()
        let id = credentials.userID.flatMap { $0.isEmpty ? nil : $0 } ?? Self.developer
        guard let user = snapshot.users[id], user.caller.role != .admin, !user.permissions.contains("approval:approve") else { return nil }
        return user.caller
    }

    /// A key that cannot be looked up is not a wrong key: who has a good one is told to come back, and nobody is let in.
    private func snapshot() async throws -> AccessSnapshot {
        do {
            return try await identities.current()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ServiceError.unavailable("Who calls cannot be looked up: \(error)", code: "identity_unavailable")
        }
    }

    private static let noDigest = [UInt8](repeating: 0, count: SHA256.byteCount)

    static func digest(_ key: String) -> [UInt8] { Array(SHA256.hash(data: Data(key.utf8))) }

    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
