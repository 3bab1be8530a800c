import Foundation
import ServiceKit
import Subprocess
import Suite
import SystemPackage

/// A llama-server that this machine can run.
public struct Engine: Sendable, CustomStringConvertible {
    /// Where it was found.
    public enum Origin: String, Sendable { case setting = "LLAMA_SERVER", path = "PATH", managed }

    public let path: FilePath
    public let origin: Origin
    /// llama.cpp's build number, if it tells.
    public let build: Int?
    /// What `--help` printed: the flags it knows differ between builds.
    let help: String
    /// Whether it can use the machine's GPU.
    public let usesGPU: Bool

    public var description: String { "\(path) (\(origin.rawValue)), build \(build.map(String.init) ?? "unknown")" }

    /// Whether this build has a command-line flag.
    public func knows(_ flag: String) -> Bool {
        help.split { $0.isWhitespace || $0 == "," || $0 == "=" || $0 == "[" }.contains(Substring(flag))
    }
}

/// No llama-server can be used, and why.
public struct NoEngine: Error, CustomStringConvertible {
    public let description: String
}

/// Finds the llama-server to run: the one that `LLAMA_SERVER` names, the one on PATH, the managed one.
public struct EngineDiscovery: Sendable {
    private let settings: Settings

    public init(settings: Settings) { self.settings = settings }

    /// - Throws: ``NoEngine`` with what to do.
    public func find() async throws -> Engine {
        guard let engine = try await existing() else {
            throw NoEngine(description: "No llama-server was found. Install the managed one with: maru engine install")
        }
        return engine
    }

    /// The engine that is there; `nil` when there is none at all.
    ///
    /// - Throws: ``NoEngine`` when the one that would be taken cannot be used.
    public func existing() async throws -> Engine? {
        let named = settings[SettingKeys.llamaServer]
        if !named.isEmpty {
            let path = settings.path(named)
            guard FileManager.default.isExecutableFile(atPath: path.string) else {
                throw NoEngine(description: "LLAMA_SERVER is \(path), which is not an executable file.")
            }
            return try await probe(path, .setting)
        }
        if let path = try? await Executable.name("llama-server").resolveExecutablePath(in: .inherit) { return try await probe(path, .path) }
        let managed = EngineInstaller(folder: settings.dataFolders.engine)
        return managed.isInstalled ? try await probe(managed.launcher, .managed) : nil
    }

    private func probe(_ path: FilePath, _ origin: Engine.Origin) async throws -> Engine {
        let version = try await output(of: path, "--version")
        let build = version.firstMatch(of: #/version:\s*b?(\d+)/#).flatMap { Int($0.1) }
        let help = try await output(of: path, "--help")
        let engine = Engine(
            path: path, origin: origin, build: build, help: help, usesGPU: await usesGPU(path, version: version, help: help))
        guard engine.knows("--model"), engine.knows("--api-key-file") else {
            throw NoEngine(
                description:
                    "\(path) (found by \(origin.rawValue)) is no llama-server that can be kept to itself: its --help does not name "
                    + "--model and --api-key-file. Set LLAMA_SERVER to another one.")
        }
        return engine
    }

    /// The managed engine's package for Linux computes on the CPU. Others list the devices they were built for; those that cannot are old,
    /// and are believed to be able.
    private func usesGPU(_ path: FilePath, version: String, help: String) async -> Bool {
        guard await Machine.current().hasGPU else { return false }
        #if os(Linux)
            if version.contains("xllamacpp") { return false }
        #endif
        guard help.contains("--list-devices"), let devices = try? await output(of: path, "--list-devices") else { return true }
        return devices.contains(#/(?m)^\s+\w+: .*MiB/#)
    }

    private func output(of path: FilePath, _ argument: String) async throws -> String {
        do {
            let result = try await withDeadline(.seconds(60)) {
                try await Subprocess.run(
                    .path(path), arguments: [argument], output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
            }
            return result.standardOutput + result.standardError
        } catch {
            throw NoEngine(description: "\(path) \(argument) did not work: \(error)")
        }
    }
}
