import ArgumentParser
import Suite
import Supervision

/// `maru down`.
struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Stop the stack, and what a crash may have left of it.",
        discussion: "Requests that are running have ten seconds to finish. Exit code 0 means that no process is left.")
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let anythingRan = try await StackControl(settings: try await given.load()).stop()
        print(anythingRan ? "Stopped. No process is left." : "Nothing was running.")
    }
}
