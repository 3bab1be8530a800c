import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Keys of users.", discussion: "A key is told once, when it is made; what is kept is its hash.",
        subcommands: [List.self, Create.self, Rotate.self, SetMemory.self, Revoke.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All keys, by their prefixes.")
        @Flag(help: "Print them as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let keys = try await SecurityStores(given).directory.keys()
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(keys), as: UTF8.self)) }
            let rows = keys.map { key in
                [
                    key.prefix, key.user_id, key.name, key.created_at, key.expires_at ?? "never", key.last_used_at ?? "never",
                    key.memory ? "on" : "off",
                    key.revoked_at.map { "revoked \($0)" } ?? "", key.replaced_by.map { "replaced by \($0)" } ?? "",
                ]
            }
            print(Table(["PREFIX", "USER", "NAME", "MADE", "EXPIRES", "LAST USED", "MEMORY", "REVOKED", "REPLACED"]).rows(rows))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Makes a key for a user and prints it, this once.")
        @Argument(help: "The user.") var user: String
        @Option(help: "What the key is for.") var name = "key"
        @Option(help: ArgumentHelp("Days until it expires; without, it is good until it is revoked.", valueName: "n")) var days: Int?
        @Option(help: "Whether chats with it use memory where the request does not say: on or off.") var memory = Switch.off
        @Flag(help: "Print it with its prefix as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func validate() throws {
            if let days, !(1...36_500).contains(days) { throw ValidationError("--days takes 1 to 36500.") }
        }

        func run() async throws {
            let stores = try await SecurityStores(given)
            let lifetime = days.map { Duration.seconds($0 * 86_400) }
            let isOn = memory == .on
            let key = try await stores.change(
                "key “\(name)”\(isOn ? " with memory" : "") made for \(user)", outcome: { ": \($0.prefix)" }
            ) { [user, name] in
                try await stores.directory.issueKey(for: user, name: name, lifetime: lifetime, memory: isOn)
            }
            try show(key, json: json)
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Makes a new key in the place of one and prints it, this once.",
            discussion: """
                The old key ends at once; with --grace it goes on for that long, so that it can be changed where it is used. The new one is good for \
                as long as the old one was when it was made.
                """)
        @Argument(help: "The key's prefix, or its name where no other key bears it; see: maru key list") var key: String
        @Option(help: ArgumentHelp("How long the old key goes on, at most 30d: a number with s, m, h or d.", valueName: "time"))
        var grace = TimeSpan.zero
        @Flag(help: "Print it with its prefix as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            let new = try await stores.change(
                "key \(Directory.shown(key)) rotated, the old one good for \(grace)", outcome: { ": \($0.prefix)" }
            ) {
                [key, grace] in
                try await stores.directory.rotateKey(key, grace: grace.duration)
            }
            try show(new, json: json)
        }
    }

    struct SetMemory: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-memory", abstract: "Has chats with a key use memory, or no longer.",
            discussion: "It counts where a request does not say itself, with the header X-Memory.")
        @Argument(help: "The key's prefix, or its name where no other key bears it; see: maru key list") var key: String
        @Argument(help: "on or off.") var memory: Switch
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            _ = try await stores.change("key \(Directory.shown(key)) given memory \(memory.rawValue)") { [key, memory] in
                try await stores.directory.setMemory(memory == .on, ofKey: key)
            }
        }
    }

    /// What is on or off, as one types it.
    enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "Revokes a key at once.")
        @Argument(help: "The key's prefix, or its name where no other key bears it; see: maru key list") var key: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("key \(Directory.shown(key)) revoked") { [key] in try await stores.directory.revokeKey(key) }
        }
    }
}

private func show(_ key: NewKey, json: Bool) throws {
    print(json ? String(decoding: try JSONEncoder.sorted.encode(key), as: UTF8.self) : key.key)
}
