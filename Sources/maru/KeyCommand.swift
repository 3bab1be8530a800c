import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Keys of users.", discussion: "A key is told once, when it is made; what is kept is its hash.",
        subcommands: [List.self, Create.self, Rotate.self, Revoke.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All keys, by their prefixes.")
        @Flag(help: "Print them as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let keys = try await SecurityStores(given).directory.keys()
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(keys), as: UTF8.self)) }
            let rows = keys.map { [$0.prefix, $0.user_id, $0.name, $0.created_at, $0.expires_at ?? "never", $0.revoked_at ?? ""] }
            print(Table(["PREFIX", "USER", "NAME", "MADE", "EXPIRES", "REVOKED"]).rows(rows))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Makes a key for a user and prints it, this once.")
        @Argument(help: "The user.") var user: String
        @Option(help: "What the key is for.") var name = "key"
        @Option(help: ArgumentHelp("Days until it expires; without, it is good until it is revoked.", valueName: "n")) var days: Int?
        @Flag(help: "Print it with its prefix as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func validate() throws {
            if let days, !(1...36_500).contains(days) { throw ValidationError("--days takes 1 to 36500.") }
        }

        func run() async throws {
            let stores = try await SecurityStores(given)
            let key = try await stores.change("key “\(name)” made for \(user)") {
                try await stores.directory.issueKey(for: user, name: name, lifetime: days.map { .seconds($0 * 86_400) })
            }
            try show(key, json: json)
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Makes a new key in the place of one, which is revoked at once.")
        @Argument(help: "The key's prefix; see: maru key list") var prefix: String
        @Flag(help: "Print it with its prefix as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try show(try await stores.change("key \(prefix) rotated") { try await stores.directory.rotateKey(prefix) }, json: json)
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "Revokes a key at once.")
        @Argument(help: "The key's prefix; see: maru key list") var prefix: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("key \(prefix) revoked") { try await stores.directory.revokeKey(prefix) }
        }
    }
}

private func show(_ key: NewKey, json: Bool) throws {
    print(json ? String(decoding: try JSONEncoder.sorted.encode(key), as: UTF8.self) : key.key)
}
