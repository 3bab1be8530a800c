import Crypto
import Foundation
import ServiceKit
import Suite

/// Says who calls, by key; and in development mode also without one.
///
/// Keys are held as SHA-256 digests and compared in constant time. A wrong `maru_` key is refused in either mode: a caller who presents
/// one means to be somebody, and must not silently become somebody else.
public struct KeyAuthenticator: Authenticator {
    private struct Entry: Sendable {
        let digest: [UInt8]
        let caller: Caller
    }

    private let entries: [Entry]
    private let mode: SecurityMode

    /// - Parameter keys: each key with the caller it proves.
    public init(keys: [(key: String, caller: Caller)], mode: SecurityMode) {
        entries = keys.map { Entry(digest: Self.digest($0.key), caller: $0.caller) }
        self.mode = mode
    }

    /// The keys of a stack: the administrator's and the services' own.
    ///
    /// - Throws: when a key file cannot be read or made.
    public init(settings: Settings) throws {
        let folders = settings.dataFolders
        var keys = [(key: try KeyFile.service(folders).readOrCreate(), caller: Caller(id: "service", role: .service))]
        if let admin = try KeyFile.admin(folders).read() { keys.append((admin, Caller(id: "admin", role: .admin))) }
        self.init(keys: keys, mode: settings[SettingKeys.securityMode])
    }

    public func caller(for credentials: Credentials) async -> Caller? {
        guard let key = credentials.key else { return keyless(credentials) }
        // OpenAI's clients cannot be made without a key, so people give them any word. One that is not even shaped like ours means nobody.
        guard key.hasPrefix("maru_") || mode == .production else { return keyless(credentials) }
        let digest = Self.digest(key)
        // Every entry is compared whole, so that the time tells nothing about which one was near.
        return entries.reduce(nil as Caller?) { found, entry in Self.areEqual(entry.digest, digest) ? entry.caller : found }
    }

    /// In development mode a local caller is the developer user, or the guest or developer that `X-User-ID` names; never an administrator.
    private func keyless(_ credentials: Credentials) -> Caller? {
        guard mode == .development else { return nil }
        guard let id = credentials.userID, !id.isEmpty else { return Caller(id: "dev_user", role: .developer) }
        guard id.utf8.count <= 64, id.allSatisfy({ $0.isLetter || $0.isNumber || "_-.".contains($0) }) else { return nil }
        if id.hasPrefix("guest") { return Caller(id: id, role: .guest) }
        return id.hasPrefix("admin") ? nil : Caller(id: id, role: .developer)
    }

    private static func digest(_ key: String) -> [UInt8] { Array(SHA256.hash(data: Data(key.utf8))) }

    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
