import ArgumentParser
import Operations

/// `maru env`.
struct EnvCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env",
        abstract: "Check the machine before anything starts: engine, GPU, ports, models, git, disk.",
        discussion: "With --runtime compose the container engine is demanded; the native runtime does without one.")

    @OptionGroup var output: CheckOutput

    func run() async throws { try await output.run(named: "env") { Checklist.checks($0, phases: [.environment]) } }
}
