import Foundation
import ServiceKit
import SystemPackage

/// What a run leaves: what bubblewrap says of its end, what its control group counted. Reading it removes it.
struct Traces: Sendable {
    /// The program's exit status; `nil` when the sandbox was not built, or was killed as a whole.
    var exitCode: Int?
    var memoryKills = 0
    var refusedForks = 0

    init() {}

    init(_ launch: Launch) {
        memoryKills = launch.group?.memoryKills ?? 0
        refusedForks = launch.group?.refusedForks ?? 0
        launch.group?.remove()
        // One JSON object a line (bwrap(1), --json-status-fd).
        for line in (KernelFile.text(launch.status.string) ?? "").split(separator: "\n") {
            let event = try? JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
            if let code = event?["exit-code"]?.intValue { exitCode = Int(code) }
        }
        unlink(launch.status.string)
    }

    /// The limit that ended the program, or that kept it from making a process.
    func limit(status: Int, _ limits: SandboxLimits, after duration: Duration) -> SandboxResult.Limit? {
        switch status {
        case 0: nil
        case _ where memoryKills > 0: .memory
        case 128 + Int(SIGXCPU): .cpu
        case 128 + Int(SIGXFSZ): .fileSize
        // Who catches the first signal of the limit is killed a second later.
        case 128 + Int(SIGKILL) where duration >= .seconds(limits.cpuSeconds): .cpu
        case _ where refusedForks > 0: .processes
        default: nil
        }
    }
}
