import Foundation
import ServiceKit
import Subprocess
import SystemPackage

/// Installs a managed engine: its packages in a virtual environment of its own, behind a launcher that takes llama-server's flags.
public struct EngineInstaller: Sendable {
    private let engine: ManagedEngine
    private let folder: FilePath

    /// - Parameter folder: the engine's own, below `DATA_DIR`.
    init(_ engine: ManagedEngine = .llamaServer, folder: FilePath) {
        self.engine = engine
        self.folder = folder
    }

    private var bin: FilePath { folder.appending("bin") }
    var launcher: FilePath { bin.appending(engine.program) }
    private var python: FilePath { folder.appending("venv").appending("bin").appending("python3") }
    private var stamp: FilePath { folder.appending("installed") }
    /// What lies in the folder of the launcher.
    private var files: [(path: FilePath, text: String)] {
        engine.modules.map { (bin.appending($0.file), $0.text) } + [(launcher, shebang + engine.launcher)]
    }

    /// What makes the venv's Python run the launcher. The kernel splits the first line at blanks and cuts it when it is long; there a
    /// shell starts Python, by a line that Python in turn reads as a string.
    private var shebang: String {
        let path = python.string
        guard path.contains(where: \.isWhitespace) || path.utf8.count > 120 else { return "#!\(path)\n" }
        let quoted = path.replacing(#/[\\"$`]/#) { "\\\($0.output)" }
        return "#!/bin/sh\n'''exec' \"\(quoted)\" \"$0\" \"$@\"\n' '''\n"
    }

    /// Whether these very releases and this launcher are there, complete.
    public var isInstalled: Bool { hasPackages && files.allSatisfy { Self.text(of: $0.path) == $0.text } }

    private var hasPackages: Bool { Self.text(of: stamp) == engine.packages }

    private static func text(of path: FilePath) -> String? { try? String(contentsOfFile: path.string, encoding: .utf8) }

    /// Takes note that what is there does not work: the next install begins anew.
    func discard() { try? FileManager.default.removeItem(atPath: stamp.string) }

    /// Installs the engine; does nothing when it is there. Of several that install it at once, in whatever process, one is at work, and the
    /// others wait for it. Virtual environments cannot be moved, so it is made in place, and a stamp that is written last says that it is
    /// complete.
    ///
    /// - Throws: ``NoEngine`` with what the failing step printed.
    public func install() async throws {
        guard !isInstalled else { return }
        try FileManager.default.createDirectory(atPath: bin.string, withIntermediateDirectories: true)
        let lock = try await FileLock.folder(folder)
        defer { withExtendedLifetime(lock) {} }
        guard !isInstalled else { return }
        // With an update of Maru comes a launcher, often for the same packages: that is no reason to download them again.
        if hasPackages, Self.text(of: launcher)?.hasPrefix(shebang) == true { return try writeLauncher() }
        try? FileManager.default.removeItem(atPath: stamp.string)
        try? FileManager.default.removeItem(atPath: folder.appending("venv").string)
        try await step(
            "python3", ["-m", "venv", folder.appending("venv").string],
            hint: "Python 3 with its venv module is needed (Debian: apt install python3-venv).")
        let requirements = folder.appending("requirements.txt").string
        try engine.packages.write(toFile: requirements, atomically: true, encoding: .utf8)
        try await step(
            python.string, ["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--no-deps", "--requirement", requirements],
            hint: engine.hint)
        try writeLauncher()
        try await step(
            python.string, ["-c", "import sys; sys.path.insert(0, sys.argv[1]); __import__(sys.argv[2])", bin.string, engine.module],
            hint: "The packages do not run on this machine.")
        try writeStamp()
    }

    /// Says that the engine is complete.
    func writeStamp() throws { try engine.packages.write(toFile: stamp.string, atomically: true, encoding: .utf8) }

    /// Writes the program that is run, and what it imports.
    func writeLauncher() throws {
        for (path, text) in files { try text.write(toFile: path.string, atomically: true, encoding: .utf8) }
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: launcher.string)
    }

    private func step(_ program: String, _ arguments: [String], hint: String) async throws {
        try await runTool(program, arguments) {
            NoEngine(description: "\(program) \(arguments.joined(separator: " ")) failed: \($0) \(hint)")
        }
    }
}

/// Runs a program to its end.
///
/// - Parameter failure: the error to throw, from what it printed.
func runTool(_ program: String, _ arguments: [String], failure: (String) -> any Error) async throws {
    let executable: Executable = program.contains("/") ? .path(FilePath(program)) : .name(program)
    do {
        let result = try await Subprocess.run(
            executable, arguments: Arguments(arguments), output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else {
            throw failure((result.standardOutput + result.standardError).suffix(2_000).trimmingCharacters(in: .whitespacesAndNewlines))
        }
    } catch let error as SubprocessError {
        throw failure("\(error).")
    }
}
