import ArgumentParser
import Foundation
import Security
import ServiceKit

/// `maru role`.
struct RoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role", abstract: "Roles: which tools each may call.",
        subcommands: [List.self, Show.self, Add.self, Grant.self, Revoke.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All roles.")
        @Flag(help: "Print them as JSON.") var json = false
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let roles = try await SecurityStores(given).directory.roles()
            if json { return print(String(decoding: try JSONEncoder.sorted.encode(roles), as: UTF8.self)) }
            print(
                Table(["ROLE", "USERS", "PERMISSIONS", "WHAT IT IS"]).rows(
                    roles.map { [$0.role, "\($0.users)", "\($0.permissions.count)", $0.description] }))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "What a role grants.")
        @Argument(help: "The role.") var role: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            guard let found = try await SecurityStores(given).directory.roles().first(where: { $0.role == role }) else {
                throw CommandError("There is no role “\(role)”. See: maru role list")
            }
            print("\(found.role): \(found.description)\n" + found.permissions.joined(separator: "\n"))
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "add", abstract: "Makes a role with the tools it grants.")
        @Argument(help: "The role's name.") var role: String
        @Argument(help: "Tools, or permissions of approvals such as approval:approve.") var permissions: [String] = []
        @Option(help: "What it is for.") var description = ""
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("role \(role) added with \(permissions.joined(separator: ", "))") {
                [role, description, permissions] in
                try await stores.directory.addRole(role, description: description, permissions: permissions)
            }
        }
    }

    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "grant", abstract: "Grants a role a tool, from the next call on.")
        @Argument(help: "The role.") var role: String
        @Argument(help: "The tool or permission.") var permission: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("\(permission) granted to \(role)") { [role, permission] in
                try await stores.directory.grant(permission, to: role, by: "cli:\(NSUserName())")
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "Takes a tool from a role, from the next call on.")
        @Argument(help: "The role.") var role: String
        @Argument(help: "The tool or permission.") var permission: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("\(permission) revoked from \(role)") { [role, permission] in
                try await stores.directory.revoke(permission, from: role)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "remove", abstract: "Removes a role that nobody has.")
        @Argument(help: "The role.") var role: String
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let stores = try await SecurityStores(given)
            try await stores.change("role \(role) removed") { [role] in try await stores.directory.removeRole(role) }
        }
    }
}
