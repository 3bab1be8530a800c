import Foundation
import Security
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@Suite("Keys")
struct KeyTests {
    @Test("The key file is made once, readable by its owner alone, however many make it at once")
    func creation() async throws {
        try await withScratchFolder { folder in
            let file = KeyFile.admin(DataFolders(root: folder))
            let keys = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<16 { group.addTask { try file.readOrCreate() } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(keys.count == 1)
            #expect(keys.first?.hasPrefix("maru_admin_") == true)
            let mode = try FileManager.default.attributesOfItem(atPath: file.path.string)[.posixPermissions] as? NSNumber
            #expect(mode?.intValue == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending("secrets").string) == ["admin.key"])
        }
    }

    @Test("weakness_08_nobody_becomes_administrator_by_saying_so")
    func weakness_08_identity() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let admin = try KeyFile.admin(settings.dataFolders).readOrCreate()
            let identities = Identities(try await SecurityDatabase.open(settings))
            let open = try KeyAuthenticator(settings: settings, identities: identities)
            let production = try await Settings.test(["SECURITY_MODE": "production"], folder: folder)
            let closed = try KeyAuthenticator(settings: production, identities: identities)
            for name in ["admin_user", "admin", "nobody", "' OR 1=1 --", "ADMIN"] {
                #expect(try await open.caller(for: .init(key: nil, userID: name)) == nil, "\(name)")
            }
            #expect(try await open.caller(for: .init(key: nil, userID: "guest_user"))?.role == .guest)
            #expect(try await open.caller(for: .init(key: nil, userID: nil))?.id == "dev_user")
            #expect(try await open.caller(for: .init(key: "maru_wrong", userID: nil)) == nil)
            #expect(try await open.caller(for: .init(key: "sk-any", userID: nil))?.role == .developer)
            #expect(try await closed.caller(for: .init(key: "sk-any", userID: nil)) == nil)
            #expect(try await closed.caller(for: .init(key: nil, userID: "dev_user")) == nil)
            #expect(try await closed.caller(for: .init(key: admin, userID: "guest_user"))?.role == .admin)
            for near in [String(admin.dropLast()), admin + "0", admin.uppercased()] {
                #expect(try await closed.caller(for: .init(key: near, userID: nil)) == nil)
            }
        }
    }
}
