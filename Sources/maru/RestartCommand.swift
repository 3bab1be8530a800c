import ArgumentParser
import Suite
import Supervision

/// `maru restart`.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "End services gracefully; the supervisor starts them again.")

    @Argument(help: ArgumentHelp("Services to restart.", valueName: "name")) var names: [ServiceID]
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let control = StackControl(settings: try await given.load())
        let ended = try await control.restart(names)
        try await control.waitUntilReady(replacing: ended) { _ in }
        print("Ready again: \(names.map(\.rawValue).joined(separator: ", "))")
    }
}
