import Foundation
import Inference
import Subprocess
import Suite
import SuiteAPI
import SystemPackage

/// What checks work with.
public struct CheckContext: Sendable {
    /// Which runtime the machine is judged for.
    public enum Runtime: String, Sendable, CaseIterable { case native, compose }

    public let settings: Settings
    public let clients: SuiteClients
    public let runtime: Runtime
    /// How long a service that is starting is waited for.
    public let patience: Duration
    /// Where programs of the machine are looked for, as in `PATH`; `nil` is the `PATH` of this process.
    let programPath: String?
    /// What later checks learn from earlier ones.
    let notes = Notes()

    public init(
        settings: Settings, clients: SuiteClients, runtime: Runtime = .native, patience: Duration = .seconds(30),
        programPath: String? = nil
    ) {
        self.settings = settings
        self.clients = clients
        self.runtime = runtime
        self.patience = patience
        self.programPath = programPath
    }

    /// What a program printed and how it ended.
    struct ProgramResult: Sendable {
        let status: Int
        let output: String
        var succeeded: Bool { status == 0 }
    }

    /// Runs a program of the machine.
    ///
    /// - Returns: `nil` when there is no such program.
    func program(_ name: String, _ arguments: String..., folder: FilePath? = nil) async -> ProgramResult? {
        await program(name, arguments, folder: folder)
    }

    /// Runs git.
    ///
    /// - Returns: `nil` when there is no git; a folder that is not there is like one that is no checkout.
    func git(_ arguments: String..., in folder: FilePath) async -> ProgramResult? {
        guard FileManager.default.fileExists(atPath: folder.string) else {
            return await program("git", ["--version"]).map { _ in ProgramResult(status: -1, output: "\(folder) does not exist") }
        }
        return await program("git", arguments, folder: folder)
    }

    /// The same, with arguments that stand elsewhere.
    func program(_ name: String, _ arguments: [String], folder: FilePath? = nil) async -> ProgramResult? {
        let environment: Environment = programPath.map { .inherit.updating(["PATH": $0]) } ?? .inherit
        let result = try? await Subprocess.run(
            .name(name), arguments: Arguments(arguments), environment: environment, workingDirectory: folder,
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 16))
        guard let result else { return nil }
        let text = result.standardOutput + result.standardError
        guard case .exited(let code) = result.terminationStatus else { return ProgramResult(status: -1, output: text) }
        return ProgramResult(status: Int(code), output: text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

/// A place where checks leave facts for one another.
actor Notes {
    private var outcomes: [String: Outcome] = [:]
    private(set) var gpuReadings: [GPUMemory] = []

    func record(_ id: String, _ outcome: Outcome) { outcomes[id] = outcome }

    func record(_ reading: GPUMemory) { gpuReadings.append(reading) }

    func outcome(of id: String) -> Outcome? { outcomes[id] }
}
