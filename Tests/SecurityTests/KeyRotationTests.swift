import Foundation
import GRDB
import ServiceKit
import Suite
import Synchronization
import TestSupport
import Testing

@testable import Security

@Suite("Rotation and use of keys")
struct KeyRotationTests {
    private func withDirectory(
        _ body: (Security.Directory, SecurityDatabase, KeyAuthenticator, Settings) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["SECURITY_MODE": "production"], folder: folder)
            let database = try await SecurityDatabase.open(settings)
            let authenticator = try KeyAuthenticator(settings: settings, identities: Identities(database))
            try await body(Directory(database), database, authenticator, settings)
        }
    }

    private func caller(_ authenticator: KeyAuthenticator, _ key: NewKey) async throws -> String? {
        try await authenticator.caller(for: .init(key: key.key, userID: nil))?.id
    }

    @Test("Without grace the old key ends at once; with it both are good, and never longer than the old one would have been")
    func grace() async throws {
        try await withDirectory { directory, database, authenticator, _ in
            let first = try await directory.issueKey(for: "dev_user", name: "laptop", lifetime: nil)
            let second = try await directory.rotateKey(first.prefix)
            #expect(second.old_key_until == nil && second.name == "laptop" && second.expires_at == nil)
            #expect(try await caller(authenticator, first) == nil)
            let third = try await directory.rotateKey("laptop", grace: .seconds(3_600))
            #expect(try await caller(authenticator, second) == "dev_user")
            #expect(try await caller(authenticator, third) == "dev_user")
            // The hour is over.
            try await database.writer.write { db in
                try db.execute(
                    sql: "UPDATE security_keys SET expires_at = '2020-01-01 00:00:00' WHERE prefix = ?", arguments: [second.prefix])
            }
            #expect(try await caller(authenticator, second) == nil)
            #expect(try await caller(authenticator, third) == "dev_user")

            let short = try await directory.issueKey(for: "dev_user", name: "short", lifetime: .seconds(60))
            let next = try await directory.rotateKey(short.prefix, grace: .seconds(3_600))
            #expect(next.old_key_until == short.expires_at)
        }
    }

    @Test("A rotated key is good for as long as the old one was when it was made")
    func lifetime() async throws {
        try await withDirectory { directory, _, _, _ in
            let old = try await directory.issueKey(for: "dev_user", name: "k", lifetime: .seconds(86_400))
            let new = try await directory.rotateKey(old.prefix)
            let end = try #require(new.expires_at.flatMap { Date(sqlText: $0) })
            #expect(abs(end.timeIntervalSinceNow - 86_400) < 60)
        }
    }

    @Test("A key uses memory when it is said to, at once in every process, and so does the key that it is rotated into")
    func memory() async throws {
        try await withDirectory { directory, _, authenticator, _ in
            func usesMemory(_ key: NewKey) async throws -> Bool? {
                try await authenticator.caller(for: .init(key: key.key, userID: nil))?.usesMemory
            }
            let plain = try await directory.issueKey(for: "dev_user", name: "plain", lifetime: nil)
            let first = try await directory.issueKey(for: "dev_user", name: "chats", lifetime: nil, memory: true)
            #expect(try await usesMemory(plain) == false && !plain.memory)
            #expect(try await usesMemory(first) == true && first.memory)
            let second = try await directory.rotateKey(first.prefix)
            #expect(try await usesMemory(second) == true && second.memory)
            #expect(try await directory.setMemory(false, ofKey: "chats").memory == false)
            #expect(try await usesMemory(second) == false)
            #expect(try await directory.setMemory(true, ofKey: plain.prefix).memory)
            #expect(try await usesMemory(plain) == true)
            #expect(try await directory.keys().map(\.memory) == [true, true, false])
            for key in [first.prefix, "nothing"] {
                let error = await #expect(throws: ServiceError.self) { try await directory.setMemory(true, ofKey: key) }
                #expect(error?.code == "key_not_found")
            }
        }
    }

    @Test("What was rotated, revoked or is past its end is not rotated again; a name that several bear names none")
    func refused() async throws {
        try await withDirectory { directory, _, _, _ in
            let first = try await directory.issueKey(for: "dev_user", name: "same", lifetime: nil)
            let second = try await directory.issueKey(for: "dev_user", name: "same", lifetime: nil)
            let past = try await directory.issueKey(for: "dev_user", name: "past", lifetime: .zero)
            _ = try await directory.rotateKey(first.prefix, grace: .seconds(60))
            try await directory.revokeKey(second.prefix)
            for (key, code) in [
                (first.prefix, "key_replaced"), (second.prefix, "key_not_found"), (past.prefix, "key_not_found"),
                ("same", "ambiguous_key"), ("nothing", "key_not_found"), ("%", "key_not_found"),
            ] {
                let error = await #expect(throws: ServiceError.self, "\(key)") { try await directory.rotateKey(key) }
                #expect(error?.code == code, "\(key)")
            }
            await #expect(throws: ServiceError.self) { try await directory.rotateKey("past", grace: .seconds(31 * 86_400)) }
            for name in ["", " ", "a\nb", String(repeating: "x", count: 129), "\u{202E}x"] {
                await #expect(throws: ServiceError.self) { try await directory.issueKey(for: "dev_user", name: name, lifetime: nil) }
            }
        }
    }

    @Test("A key's last use is kept, in one write a minute at the most, and makes nobody read the identities again")
    func lastUse() async throws {
        try await withDirectory { directory, database, authenticator, _ in
            let key = try await directory.issueKey(for: "dev_user", name: "k", lifetime: nil)
            #expect(try await directory.keys().first?.last_used_at == nil)
            let generation = try await database.generation()
            let told = database.changes.number
            for _ in 0..<50 { #expect(try await caller(authenticator, key) == "dev_user") }
            while try await directory.keys().first?.last_used_at == nil { await Task.yield() }
            #expect(try await database.generation() == generation && database.changes.number == told)

            let now = Mutex(Date())
            let uses = KeyUses(database) { now.withLock { $0 } }
            let id = try #require(try await database.writer.read { try Int64.fetchOne($0, sql: "SELECT key_id FROM security_keys") })
            let kept = try #require(try await directory.keys().first?.last_used_at)
            // Another process that has just begun: the minute is kept already.
            uses.note(id)
            now.withLock { $0 += 30 }
            uses.note(id)
            now.withLock { $0 += 90 }
            uses.note(id)
            while try await directory.keys().first?.last_used_at == kept { await Task.yield() }
            let later = try #require(try await directory.keys().first?.last_used_at.flatMap { Date(sqlText: $0) })
            #expect(later.timeIntervalSince(try #require(Date(sqlText: kept))) > 60)
            // A key that is gone is no error.
            uses.note(9_999)
            try await directory.removeUser("dev_user")
            #expect(try await database.writer.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM security_key_uses") } == 0)
        }
    }
}
