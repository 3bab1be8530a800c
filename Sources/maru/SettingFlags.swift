import ArgumentParser
import Suite

/// Settings given on the command line; they win over the environment and `.env`.
struct SettingFlags: ParsableArguments {
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("A setting for this command alone; may be given more than once.", valueName: "NAME=VALUE"))
    var assignments: [String] = []

    func validate() throws {
        for assignment in assignments {
            let name = assignment.prefix { $0 != "=" }
            guard assignment.contains("="), let setting = SettingKeys.all.first(where: { $0.name == name }) else {
                throw ValidationError("--set takes NAME=VALUE with a name of `maru config`; “\(assignment)” is none.")
            }
            guard !setting.isSecret else {
                throw ValidationError(
                    "\(setting.name) is a secret, and every user of this machine can read a command line. Set it in .env or in the environment."
                )
            }
        }
    }

    /// The settings in force.
    ///
    /// - Throws: ``InvalidSettings`` naming each bad value.
    func load() async throws -> Settings {
        let given = assignments.map { ($0.prefix { $0 != "=" }, $0.drop { $0 != "=" }.dropFirst()) }
        return try await Settings.load(flags: Dictionary(given.map { (String($0.0), String($0.1)) }) { _, last in last })
    }
}
