import ArgumentParser
import Foundation
import Operations
import Suite

/// `maru verify`.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that the stack is ready for production: five phases, each check with evidence.",
        discussion: """
            Exit code 0 means that nothing failed. A SKIP says why it does not apply and never counts as passed. A report with the raw
            evidence is left in DATA_DIR/reports.

              maru verify                 all phases
              maru verify --phase 5       function and speed alone
              maru verify --json          for programs
            """)

    @Option(help: ArgumentHelp("A phase to run, 1 to 5; may be given more than once.", valueName: "n"))
    var phase: [Int] = []
    @OptionGroup var output: CheckOutput

    func validate() throws {
        guard phase.allSatisfy({ Phase(rawValue: $0) != nil }) else { throw ValidationError("--phase takes a number from 1 to 5.") }
    }

    func run() async throws {
        let phases = phase.isEmpty ? Set(Phase.allCases) : Set(phase.compactMap(Phase.init))
        try await output.run(named: "verify") { Checklist.checks($0, phases: phases) }
    }
}
