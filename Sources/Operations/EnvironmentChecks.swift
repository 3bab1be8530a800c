import Foundation
import Inference
import ServiceKit
import Suite
import SystemPackage

extension Checklist {
    /// Phase 1: the machine, before anything starts.
    static func environment(_ settings: Settings) -> [Check] {
        let data = settings.dataFolders.root.string
        return [
            Check(
                "S01", .environment, "Container engine", threshold: "Docker ≥ 20.10, Compose ≥ 2.0 (compose runtime)",
                command: "docker version --format '{{.Server.Version}}'; docker compose version --short", run: containerEngine),
            Check(
                "S02", .environment, "GPU", threshold: "GPU recognised by its driver",
                command: "nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader", run: gpu),
            Check(
                "S03", .environment, "Ports", threshold: "free, or held by this stack, whose services tell their names",
                command:
                    "for p in \(ports(settings).map { String($0.port) }.joined(separator: " ")); do (exec 3<>/dev/tcp/\(settings[SettingKeys.host])/$p) 2>/dev/null && echo BUSY $p \"$(curl -s -m 3 http://\(settings[SettingKeys.host]):$p/livez)\"; done",
                run: freePorts),
            Check(
                "S04", .environment, "Model files", threshold: "present, whole, matching their checksum", command: "maru models verify",
                limit: .seconds(300), run: modelFiles),
            Check(
                "S05", .environment, "Git state", threshold: "clean working tree",
                command: "git status --porcelain && git log -5 --oneline",
                run: gitState),
            Check(
                "S06", .environment, "Disk space", threshold: "≥ 20 GB free in DATA_DIR", command: "df -B1 --output=avail \(data)",
                run: diskSpace),
        ]
    }

    // MARK: S01

    private static func containerEngine(_ context: CheckContext) async -> Finding {
        let isNeeded = context.runtime == .compose
        func lacking(_ reason: String, _ evidence: String = "") -> Finding {
            isNeeded
                ? Finding(.fail, reason: reason + ": the compose runtime needs it", evidence: evidence)
                : .skip(reason + "; the native runtime needs no container engine", evidence: evidence)
        }
        guard let engine = await context.program("docker", "version", "--format", "{{.Server.Version}}") else {
            return lacking("docker is not installed")
        }
        guard engine.succeeded, let version = Version(firstIn: engine.output) else {
            return lacking("no Docker engine answers", engine.output)
        }
        guard version >= Version(20, 10) else {
            return Finding(.fail, value: "Docker \(version)", reason: "older than 20.10: upgrade Docker", evidence: engine.output)
        }
        let compose = await context.program("docker", "compose", "version", "--short")
        guard let compose, compose.succeeded, let composeVersion = Version(firstIn: compose.output) else {
            return lacking("Docker \(version) has no compose plugin", compose?.output ?? "")
        }
        let value = "Docker \(version), Compose \(composeVersion)"
        guard composeVersion >= Version(2, 0) else {
            return Finding(.fail, value: value, reason: "Compose is older than 2.0: install the compose plugin", evidence: compose.output)
        }
        return Finding(.pass, value: value, evidence: engine.output + "\n" + compose.output)
    }

    // MARK: S02

    private static func gpu(_ context: CheckContext) async -> Finding {
        let query = "--query-gpu=name,driver_version,memory.total"
        guard let answer = await context.program("nvidia-smi", query, "--format=csv,noheader") else {
            return .skip("no nvidia-smi on this machine: models run on the CPU")
        }
        guard answer.succeeded, !answer.output.isEmpty else {
            return Finding(.fail, reason: "nvidia-smi reports no working GPU: check the driver", evidence: answer.output)
        }
        return Finding(.pass, value: answer.output.split(separator: "\n").first.map(String.init), evidence: answer.output)
    }

    // MARK: S03

    private struct SuitePort {
        let port: Int
        let owner: String
        /// Whether this build listens there. Of the others nothing is lost until later builds bring them.
        let isInThisBuild: Bool
    }

    /// The ports of the suite, its services' first, then those of parts that later builds bring.
    private static func ports(_ settings: Settings) -> [SuitePort] {
        let services = ServiceCatalogue.all.flatMap { descriptor in
            descriptor.ports.map { SuitePort(port: settings[$0], owner: descriptor.id.rawValue, isInThisBuild: true) }
        }
        let later = [(9090, "prometheus"), (3001, "console")]
        return services + later.map { SuitePort(port: $0.0, owner: $0.1, isInThisBuild: false) }
    }

    private static func freePorts(_ context: CheckContext) async -> Finding {
        var lines: [String] = []
        var busy: [String] = []
        var unused: [String] = []
        for suitePort in ports(context.settings) {
            let (port, owner) = (suitePort.port, suitePort.owner)
            switch await PortUse.of(port, host: context.settings[SettingKeys.host], expecting: owner) {
            case .free: lines.append("\(port) free (\(owner))")
            case .ours: lines.append("\(port) held by this stack (\(owner))")
            case .foreign(let holder):
                let told = "\(port) (for \(owner)) is held by \(holder)"
                if suitePort.isInThisBuild { busy.append(told) } else { unused.append(told) }
                lines.append("BUSY \(port) \(holder)")
            }
        }
        let evidence = lines.joined(separator: "\n")
        guard busy.isEmpty else {
            return Finding(
                .fail, value: "\(busy.count) of \(lines.count) held by others",
                reason: "port " + busy.joined(separator: "; port ") + ". Stop it or set another port.",
                evidence: evidence)
        }
        guard unused.isEmpty else {
            return Finding(
                .warn, value: "\(unused.count) of \(lines.count) held by others",
                reason: "port " + unused.joined(separator: "; port ") + ". This build does not use it.", evidence: evidence)
        }
        return Finding(.pass, value: "\(lines.count) ports", evidence: evidence)
    }

    // MARK: S05

    private static func gitState(_ context: CheckContext) async -> Finding {
        let folder = context.settings.home
        guard let status = await context.git("status", "--porcelain", in: folder) else { return .skip("git is not installed") }
        guard status.succeeded else { return .skip("\(folder) is not a git checkout", evidence: status.output) }
        let log = await context.git("log", "-5", "--oneline", in: folder)?.output ?? ""
        guard status.output.isEmpty else {
            let count = status.output.split(separator: "\n").count
            return Finding(
                .warn, value: "\(count) changed", reason: "uncommitted changes: what runs cannot be named by a commit",
                evidence: status.output + "\n" + log)
        }
        return Finding(.pass, value: log.split(separator: "\n").first.map(String.init), evidence: log)
    }

    // MARK: S06

    private static func diskSpace(_ context: CheckContext) async throws -> Finding {
        try freeSpace(at: context.settings.dataFolders.root, atLeast: 20)
    }

    /// Compares the free space of a folder's file system, in GB of 10⁹ bytes, with a bound.
    static func freeSpace(at folder: FilePath, atLeast gigabytes: Double) throws -> Finding {
        var existing = folder
        while !FileManager.default.fileExists(atPath: existing.string), existing.removeLastComponent() {}
        let attributes = try FileManager.default.attributesOfFileSystem(forPath: existing.string)
        let free = (attributes[.systemFreeSize] as? NSNumber)?.doubleValue ?? 0
        let value = (free / 1e9).formatted(.number.precision(.fractionLength(1))) + " GB free"
        guard free >= gigabytes * 1e9 else {
            return Finding(
                .fail, value: value, reason: "\(folder) has less than \(Int(gigabytes)) GB left: make room or move DATA_DIR",
                evidence: "\(existing): \(Int(free)) bytes")
        }
        return Finding(.pass, value: value, evidence: "\(existing): \(Int(free)) bytes")
    }
}
