import ArgumentParser

/// `maru eval`.
struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure how good the stack's work is.", subcommands: [Retrieval.self, Memory.self])
}
