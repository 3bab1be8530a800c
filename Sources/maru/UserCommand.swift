import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru user`.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Users: who there is, and what role each has.",
        subcommands: [List.self, Add.self, SetRole.self, Enable.self, Disable.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All users.")
        @Flag(help: "Print them as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let users = try await SecurityStores(given).directory.users()
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(users), as: UTF8.self)) }
            print(
                Table(["USER", "NAME", "ROLE", "ACTIVE", "SINCE"]).rows(
                    users.map { [$0.user_id, $0.username, $0.role ?? "none", $0.is_active ? "yes" : "no", $0.created_at] }))
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Adds a user; a key is made with: maru key create ID")
        @Argument(help: "The user's id: letters, digits, dots, dashes, underscores.") var id: String
        @Option(help: "The user's role; see: maru role list") var role = "developer"
        @Option(help: "The name for people.") var name: String?
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("user \(id) added with role \(role)") { [id, name, role] in
                try await stores.directory.addUser(id, name: name ?? id, role: role)
            }
            print("Added \(id) with role \(role).")
        }
    }

    struct SetRole: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-role", abstract: "Gives a user another role, from the next call on.")
        @Argument(help: "The user.") var id: String
        @Argument(help: "The role.") var role: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("user \(id) given role \(role)") { [id, role] in
                try await stores.directory.setRole(role, of: id)
            }
            print("\(id) has role \(role) now.")
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "enable", abstract: "Lets a user in again.")
        @Argument(help: "The user.") var id: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("user \(id) enabled") { [id] in try await stores.directory.setActive(true, id) }
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Shuts a user out at once, whatever keys there are.")
        @Argument(help: "The user.") var id: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("user \(id) disabled") { [id] in try await stores.directory.setActive(false, id) }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "remove", abstract: "Removes a user and all keys of theirs.")
        @Argument(help: "The user.") var id: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("user \(id) removed") { [id] in try await stores.directory.removeUser(id) }
        }
    }
}
