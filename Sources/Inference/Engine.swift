import Foundation
import ServiceKit
import Subprocess
import Suite
import SystemPackage

/// A llama-server, or what takes its place for some models, that this machine can run.
public struct Engine: Sendable, CustomStringConvertible {
    /// Where it was found.
    public enum Origin: String, Sendable {
        case setting = "LLAMA_SERVER", embeddingSetting = "EMBEDDING_ENGINE", path = "PATH", managed

        /// What to do about one that does not work.
        var advice: String {
            switch self {
            case .setting, .path: "Set LLAMA_SERVER to another one."
            case .embeddingSetting: "Set EMBEDDING_ENGINE to another one, or to llama-server."
            case .managed: "Install it anew with: maru engine install"
            }
        }
    }

    public let path: FilePath
    public let origin: Origin
    /// llama.cpp's build number, if it tells.
    public let build: Int?
    /// What `--help` printed: the flags it knows differ between builds.
    let help: String
    /// Whether it can use the machine's GPU.
    public let usesGPU: Bool
    /// Why the one on PATH, which would have come first, is not used.
    public var passedOver: String?

    public var description: String { "\(path) (\(origin.rawValue))" + (build.map { ", build \($0)" } ?? "") }

    /// Whether this build has a command-line flag.
    public func knows(_ flag: String) -> Bool {
        help.split { $0.isWhitespace || $0 == "," || $0 == "=" || $0 == "[" }.contains(Substring(flag))
    }
}

/// No engine can be used, and why.
public struct NoEngine: Error, CustomStringConvertible {
    public let description: String
}

/// Finds the llama-server to run: the one that `LLAMA_SERVER` names, the one on PATH, the managed one.
public struct EngineDiscovery: Sendable {
    let settings: Settings
    private let environment: Environment

    public init(settings: Settings) { self.init(settings: settings, environment: .inherit) }

    /// - Parameter environment: where PATH is taken from.
    init(settings: Settings, environment: Environment) {
        self.settings = settings
        self.environment = environment
    }

    private var managed: EngineInstaller { EngineInstaller(folder: settings.dataFolders.engine) }

    /// - Throws: ``NoEngine`` with what to do.
    public func find() async throws -> Engine {
        let (engine, passedOver) = try await look()
        guard let engine else {
            throw NoEngine(
                description: (passedOver ?? "No llama-server was found.") + " Install the managed one with: maru engine install")
        }
        return engine
    }

    /// The engine that is there; `nil` when there is none that can be used.
    ///
    /// - Throws: ``NoEngine`` when the one that `LLAMA_SERVER` names, or the managed one, does not work.
    public func existing() async throws -> Engine? { try await look().engine }

    /// The engine that is there, or else the managed one, installed now; a managed one that does not work is installed anew.
    ///
    /// - Parameter begin: told when something is going to be installed.
    /// - Throws: ``NoEngine`` when the one that `LLAMA_SERVER` names does not work, or installing fails.
    public func install(_ begin: () -> Void) async throws -> Engine {
        do {
            if let engine = try await existing() { return engine }
        } catch is NoEngine where settings[SettingKeys.llamaServer].isEmpty {
            managed.discard()
        }
        begin()
        try await managed.install()
        return try await find()
    }

    private func look() async throws -> (engine: Engine?, passedOver: String?) {
        let named = settings[SettingKeys.llamaServer]
        if !named.isEmpty {
            let path = settings.path(named)
            guard FileManager.default.isExecutableFile(atPath: path.string) else {
                throw NoEngine(description: "LLAMA_SERVER is \(path), which is not an executable file.")
            }
            return (try await probe(path, .setting), nil)
        }
        var passedOver: String?
        if let path = try? await Executable.name("llama-server").resolveExecutablePath(in: environment) {
            // What lies on PATH was put there for something else; one that is too old for us is no reason to have none.
            do {
                return (try await probe(path, .path), nil)
            } catch let error as NoEngine {
                passedOver = error.description
            }
        }
        guard managed.isInstalled else { return (nil, passedOver) }
        var engine = try await probe(managed.launcher, .managed)
        engine.passedOver = passedOver
        return (engine, passedOver)
    }

    func probe(_ path: FilePath, _ origin: Engine.Origin) async throws -> Engine {
        let version = try await output(of: path, "--version")
        let build = version.firstMatch(of: #/version:\s*b?(\d+)/#).flatMap { Int($0.1) }
        let help = try await output(of: path, "--help")
        let engine = Engine(
            path: path, origin: origin, build: build, help: help, usesGPU: await usesGPU(path, version: version, help: help))
        guard engine.knows("--model"), engine.knows("--api-key-file") else {
            throw NoEngine(
                description:
                    "\(path) (found by \(origin.rawValue)) is no llama-server that can be kept to itself: its --help does not name "
                    + "--model and --api-key-file. \(origin.advice)")
        }
        return engine
    }

    /// The encoder computes on the CPU, and so does the managed llama-server for Linux. Others list the devices they were built for; those that cannot are old,
    /// and are believed to be able.
    private func usesGPU(_ path: FilePath, version: String, help: String) async -> Bool {
        guard await Machine.current().hasGPU, !version.contains("onnxruntime") else { return false }
        #if os(Linux)
            if version.contains("xllamacpp") { return false }
        #endif
        guard help.contains("--list-devices"), let devices = try? await output(of: path, "--list-devices") else { return true }
        return devices.contains(#/(?m)^\s+\w+: .*MiB/#)
    }

    private func output(of path: FilePath, _ argument: String) async throws -> String {
        // Told to end between two of them, a service begins none that would have to be ended.
        try Task.checkCancellation()
        do {
            let result = try await withDeadline(.seconds(60)) {
                try await Subprocess.run(
                    .path(path), arguments: [argument], output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
            }
            return result.standardOutput + result.standardError
        } catch {
            try Task.checkCancellation()  // one that was given up on is not broken
            throw NoEngine(description: "\(path) \(argument) did not work: \(error)")
        }
    }
}
