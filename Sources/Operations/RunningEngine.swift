import Foundation
import Inference
import ServiceKit
import Suite
import SystemPackage

/// An engine of this stack that runs now.
struct RunningEngine: Sendable, CustomStringConvertible {
    /// The service that it works for.
    let name: String
    let pid: Int32
    /// What it was started with, program first.
    let arguments: [String]

    var description: String { "\(name) (pid \(pid)): \(arguments.joined(separator: " "))" }

    /// The engines that the services have recorded, each with the command line that the kernel tells.
    static func all(_ context: CheckContext) async throws -> [RunningEngine] {
        let suffix = ".engine"
        let folder = context.settings.dataFolders.run
        let recorded = try await offPool {
            ProcessRecord.all(in: folder).compactMap { record -> (name: String, pid: Int32)? in
                guard let name = record.path.stem, name.hasSuffix(suffix), let identity = record.identity else { return nil }
                return (String(name.dropLast(suffix.count)), identity.pid)
            }
        }
        var found: [RunningEngine] = []
        for (name, pid) in recorded {
            // Between the arguments stand zeros (proc_pid_cmdline(5)); other systems tell the line by ps alone.
            let line: [String]
            if let text = try await offPool({ KernelFile.text("/proc/\(pid)/cmdline") }) {
                line = text.split(separator: "\0").map(String.init)
            } else {
                line =
                    await context.program("ps", "-ww", "-o", "args=", "-p", String(pid))?.output.split(separator: " ").map(String.init)
                    ?? []
            }
            // An engine that ended meanwhile has no command line.
            if !line.isEmpty { found.append(RunningEngine(name: name, pid: pid, arguments: line)) }
        }
        return found
    }

    /// What of the arguments that keep strangers and known weaknesses away is not there.
    func missing(of engine: Engine) -> [String] {
        var demanded = [["--host", "127.0.0.1"], ["--api-key-file"]]
        // The encoder has no cache of prompts.
        let isEncoder = arguments.contains { $0.hasSuffix("/onnx-encoder") }
        if engine.knows("--cache-ram"), !isEncoder { demanded.append(["--cache-ram", "0"]) }
        return demanded.filter { part in
            !arguments.indices.contains { arguments[$0...].starts(with: part) }
        }.map { $0.joined(separator: " ") }
    }
}
