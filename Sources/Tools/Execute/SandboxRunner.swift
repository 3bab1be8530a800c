import Foundation
import Sandbox
import ServiceKit
import Suite
import SystemPackage

/// Runs a tool's program in the sandbox and says what came of it.
struct SandboxRunner: Sendable {
    let sandbox: Sandbox
    let workspace: Workspace
    let settings: Settings

    /// - Parameter shown: the command as the answer shows it.
    /// - Returns: the ExecutionResult object of spec/02 §2.3.
    func run(
        _ command: [String], input: [UInt8] = [], seconds: Int, in place: Place = .scratch, shown: String, _ context: ToolContext
    ) async throws -> ToolResult {
        guard !command.contains(where: { $0.utf8.contains(0) }) else {
            throw ServiceError.invalid("An argument holds a NUL character, which no program can be given.", parameter: "command")
        }
        let limits = SandboxLimits(settings: settings, wallSeconds: seconds)
        // What must be refused is refused before the run waits for a place.
        _ = try await start(in: place)
        await context.progress(0, "waiting for the sandbox")
        let (began, begin) = AsyncStream<Void>.makeStream()
        async let _: Void = Self.tick(after: began, seconds: seconds, context)
        let result = try await sandbox.run {
            let run = SandboxRun(command, input: input, limits: limits, view: try await view(of: place))
            begin.finish()
            return run
        }
        return Self.answer(result, limits, shown: shown)
    }

    /// Where a program runs.
    enum Place: Sendable {
        /// In a folder of its own, and nothing of the workspace is seen.
        case scratch
        /// In a folder of the workspace; the first root without one.
        case workspace(String?)
    }

    /// The folder of the workspace that a program starts in; none where it sees nothing of it.
    ///
    /// - Throws: 403 outside of the workspace and for secrets, 404, 422.
    private func start(in place: Place) async throws -> FilePath? {
        guard case .workspace(let folder) = place else { return nil }
        guard settings[SettingKeys.sandboxWorkspace] == .read else {
            guard folder == nil else {
                throw ServiceError.invalid(
                    "Commands see nothing of the workspace (SANDBOX_WORKSPACE is none): leave working_dir out.", parameter: "working_dir")
            }
            return nil
        }
        return try await offPool { try workspace.folder(folder) }
    }

    /// What is seen of the workspace, looked through now.
    private func view(of place: Place) async throws -> WorkspaceView? {
        guard let folder = try await start(in: place) else { return nil }
        return try await offPool { try workspace.view(from: folder.string) }
    }

    /// A command as an approver is shown it, and where it would run.
    func preview(_ command: String, in place: Place) async throws -> String {
        guard let folder = try await start(in: place) else { return command }
        return "cd \(RunCommand.quoted([folder.string]))\n\(command)"
    }

    /// How long a program will take nobody knows; how much of its time is gone can be told.
    private static func tick(after began: AsyncStream<Void>, seconds: Int, _ context: ToolContext) async {
        for await _ in began {}
        for second in 0..<seconds {
            await context.progress(Double(second) / Double(seconds), "running, \(second) s of at most \(seconds) s")
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
        }
    }

    private static func answer(_ result: SandboxResult, _ limits: SandboxLimits, shown: String) -> ToolResult {
        var err = result.err
        if let limit = result.limit { err += (err.isEmpty || err.hasSuffix("\n") ? "" : "\n") + limit.told(limits) }
        let parts = [result.out, err, result.status == 0 ? "" : "exit status \(result.status)"]
        let text = parts.filter { !$0.isEmpty }.joined(separator: "\n")
        return ToolResult(
            [
                "command": .string(shown), "stdout": .string(result.out), "stderr": .string(err),
                "returncode": .integer(Int64(result.status)),
                "success": .bool(result.status == 0), "limit": result.limit.map { .string($0.rawValue) } ?? .null,
                "truncated": .bool(result.limit == .output), "execution_time": .number((result.duration.seconds * 1_000).rounded() / 1_000),
                "sandbox_type": "bubblewrap",
            ], text: text.isEmpty ? "The program ended and wrote nothing." : text)
    }
}
