import Foundation
import Metrics
import ServiceKit
import Suite

/// Who may use what. Decided by the database as it is at the moment of the call; nothing is remembered that a change would have to reach.
public struct Permissions: Sendable {
    private let identities: Identities
    private let isOn: Bool

    public init(_ identities: Identities, settings: Settings) {
        self.identities = identities
        isOn = settings[SettingKeys.rbacEnabled]
    }

    /// Whether a caller holds a permission (a tool's name, or one of approvals), and the reason in words.
    ///
    /// - Throws: the database's error: who cannot be looked up may nothing.
    public func isPermitted(_ caller: Caller, _ permission: String) async throws -> (Bool, String) {
        let answer = try await decide(caller, permission)
        Counter(label: "rbac_permission_checks_total", dimensions: [("result", answer.0 ? "allowed" : "denied")]).increment()
        return answer
    }

    private func decide(_ caller: Caller, _ permission: String) async throws -> (Bool, String) {
        // Who decides on requests is no matter of convenience: that stays bound to roles.
        guard isOn || permission.hasPrefix("approval:") else { return (true, "RBAC disabled") }
        guard let user = try await identities.current().users[caller.id], caller.role != .service else {
            return (false, "User not found: \(caller.id)")
        }
        return user.permissions.contains(permission) ? (true, "Permission granted") : (false, "Permission denied: \(permission)")
    }

    /// Every permission that a caller holds.
    ///
    /// - Throws: the database's error.
    public func permitted(_ caller: Caller) async throws -> Set<String> {
        guard isOn else { return SecuritySeed.allTools }
        guard caller.role != .service else { return [] }
        return try await identities.current().users[caller.id]?.permissions ?? []
    }
}

extension Permissions: ApproverDirectory {
    public func holds(_ permission: ApprovalPermission, _ caller: Caller) async throws -> Bool {
        try await isPermitted(caller, permission.rawValue).0
    }

    /// Whether another active user may approve and has a key to do so with.
    public func hasApprover(besides userID: String) async throws -> Bool {
        let snapshot = try await identities.current()
        let keyed = snapshot.keys.values.filter { $0.expires.map { $0 > .now } ?? true }.map(\.userID) + [KeyAuthenticator.administrator]
        return Set(keyed).contains { id in
            id != userID && snapshot.users[id]?.permissions.contains(ApprovalPermission.approve.rawValue) == true
        }
    }
}
