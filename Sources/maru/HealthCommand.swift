import ArgumentParser
import Operations

/// `maru health`.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask every service whether it can do its work.",
        discussion:
            "A service that is starting is asked again for 30 seconds; all are asked at once. Exit code 0 means that nothing failed.")

    @OptionGroup var output: CheckOutput

    func run() async throws { try await output.run(named: "health", inParallel: true, checks: Checklist.healthChecks) }
}
