import Foundation
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// Phase 2: the services. The eight health checks stand in the order of the checklist.
    static func stack(_ settings: Settings) -> [Check] {
        [running(settings)] + health(settings) + aroundHealth(settings) + [maintainer(settings)] + [
            Check(
                "G1", .stack, "Scenario: the whole stack starts", threshold: "model files in order, services running, every health 200",
                command: "maru verify --phase 1 --phase 2"
            ) { context in
                try await combined(["S04", "S07"] + ServiceCatalogue.all.compactMap { healthID[$0.id] }, context)
            }
        ]
    }

    /// `maru health`: the services and what stands right around them.
    public static func healthChecks(_ settings: Settings) -> [Check] {
        [running(settings)] + health(settings) + aroundHealth(settings) + [maintainer(settings)]
    }

    private static let healthID: [ServiceID: String] = [
        .mcpServer: "S08", .gateway: "S09", .rag: "S10", .embedding: "S11", .inferenceChat: "S12", .inferenceCode: "S13", .qdrant: "S14",
        .memoryAPI: "S15",
    ]

    private static func health(_ settings: Settings) -> [Check] {
        let order: [ServiceID] = [.mcpServer, .gateway, .rag, .embedding, .inferenceChat, .inferenceCode, .qdrant, .memoryAPI]
        return order.map { id in
            let descriptor = ServiceCatalogue[id]
            let path = id == .qdrant ? "/collections" : descriptor.healthPath
            let command = "\(id == .qdrant ? settings.curl : "curl -fsS") \(settings.baseURL(of: id))\(path)"
            let identifier = healthID[id] ?? id.rawValue
            return Check(
                identifier, .stack, id.rawValue, threshold: "HTTP 200, ready", command: command, limit: .seconds(30), asksService: true,
                waitsForStart: true
            ) { context in
                try await ready(id, path: path, context)
            }
        }
    }

    /// Asks until the service is ready or the patience is over: a service that is starting is not one that is broken.
    private static func ready(_ id: ServiceID, path: String, _ context: CheckContext) async throws -> Finding {
        let client = context.clients.client(id, timeout: .seconds(5))
        let start = ContinuousClock.now
        var attempts = 0
        while true {
            attempts += 1
            do {
                let health: JSONValue = try await client.send(.GET, ServiceCatalogue[id].healthPath)
                guard health["service"]?.stringValue == id.rawValue else {
                    return Finding(
                        .fail, value: "HTTP 200", reason: "another program answers at \(client.baseURL): it does not say that it is \(id)",
                        evidence: text(health))
                }
                if path != ServiceCatalogue[id].healthPath { let _: JSONValue = try await client.send(.GET, path) }
                let version = health["version"]?.stringValue ?? "?"
                return Finding(
                    .pass, value: "HTTP 200, version \(version)", reason: attempts > 1 ? "after \(attempts) attempts" : nil,
                    evidence: text(health))
            } catch let error as UpstreamError {
                guard start.duration(to: .now) < context.patience else {
                    return Finding(
                        .fail, value: error.status.map { "HTTP \($0)" } ?? "no answer", reason: "\(error). See: maru logs \(id)",
                        evidence: "\(error)")
                }
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    private static func running(_ settings: Settings) -> Check {
        let expected = ServiceCatalogue.all
        return Check(
            "S07", .stack, "Services running", threshold: "all \(expected.count)",
            command: "maru status", asksService: true
        ) { context in
            let alive = await withTaskGroup(of: (ServiceID, Bool).self) { group in
                for descriptor in expected {
                    guard descriptor.port != nil else {
                        let folders = context.settings.dataFolders
                        group.addTask {
                            (descriptor.id, (try? await offPool { Heartbeat.last(of: descriptor.id, in: folders)?.isFresh() }) == true)
                        }
                        continue
                    }
                    let client = context.clients.client(descriptor.id, timeout: .seconds(3))
                    group.addTask {
                        let answer: JSONValue? = try? await client.send(.GET, "/livez")
                        return (descriptor.id, answer?["service"]?.stringValue == descriptor.id.rawValue)
                    }
                }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            let missing = expected.map(\.id).filter { alive[$0] != true }
            let evidence = expected.map { "\($0.id) \(alive[$0.id] == true ? "running" : "NOT RUNNING")" }.joined(separator: "\n")
            let value = "\(expected.count - missing.count) of \(expected.count)"
            guard missing.isEmpty else {
                let names = missing.map(\.rawValue).joined(separator: ", ")
                return Finding(
                    .fail, value: value, reason: "not running: \(names). Start with: maru up; see: maru logs", evidence: evidence)
            }
            return Finding(.pass, value: value, evidence: evidence)
        }
    }

    /// What the health script of the checklist looks at besides the services: logs, backup folder, snapshots, GPU memory.
    private static func aroundHealth(_ settings: Settings) -> [Check] {
        let folders = settings.dataFolders
        return [
            Check(
                "F09", .stack, "Errors in the logs", threshold: "none in the last 10 minutes, and no restart",
                command: LogErrors.command(folders), run: LogErrors.judge),
            Check(
                "F10", .stack, "Backup folder", threshold: "exists and is writable", command: "test -w \(folders.backups)"
            ) { _ in
                FileManager.default.isWritableFile(atPath: folders.backups.string)
                    ? Finding(.pass, value: folders.backups.string)
                    : Finding(.fail, reason: "\(folders.backups) is missing or cannot be written: maru up makes it")
            },
            Check(
                "F11", .stack, "Snapshot routes", threshold: "HTTP 200",
                command: "\(settings.eachCollection) \(settings.storeCurl)/collections/$c/snapshots; done", asksService: true,
                waitsForStart: true
            ) { context in
                let store = context.clients.vectors
                guard let first = try await onceThere(context, { try await store.collections() }).first else {
                    return .skip("there is no collection yet")
                }
                let names = try await store.snapshots(of: first).map(\.name)
                return Finding(.pass, value: "\(names.count) snapshots of \(first)", evidence: names.joined(separator: "\n"))
            },
            Check(
                "F12", .stack, "GPU memory", threshold: "< 90 %",
                command: GPUMemory.command, run: gpuMemory),
        ]
    }

    /// Asks again while a service that is starting does not answer, for as long as the patience goes.
    private static func onceThere<Value>(_ context: CheckContext, _ ask: () async throws -> Value) async throws -> Value {
        let start = ContinuousClock.now
        while true {
            do {
                return try await ask()
            } catch let error as UpstreamError where error.status == nil && start.duration(to: .now) < context.patience {
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// S31, F12: the share of GPU memory in use, with models loaded; a GPU without them proves nothing.
    static func gpuMemory(_ context: CheckContext) async throws -> Finding {
        try await GPUMemory.read(context)?.finding ?? GPUMemory.noGPU
    }

    /// A scenario is proved by its parts: it fails with any of them and is inconclusive when one of them was not judged.
    static func combined(_ ids: [String], _ context: CheckContext) async throws -> Finding {
        var outcomes: [(String, Outcome?)] = []
        for id in ids { outcomes.append((id, await context.notes.outcome(of: id))) }
        let evidence = outcomes.map { "\($0.0) \($0.1?.rawValue ?? "not run")" }.joined(separator: "\n")
        let failed = outcomes.filter { $0.1 == .fail }.map(\.0)
        let unjudged = outcomes.filter { $0.1 == nil || $0.1 == .inconclusive || $0.1 == .skip }.map(\.0)
        let warned = outcomes.filter { $0.1 == .warn }.map(\.0)
        if !failed.isEmpty { return Finding(.fail, reason: "failed: " + failed.joined(separator: ", "), evidence: evidence) }
        if !unjudged.isEmpty {
            return Finding(.inconclusive, reason: "not judged in this run: " + unjudged.joined(separator: ", "), evidence: evidence)
        }
        if !warned.isEmpty {
            return Finding(
                .warn, value: "\(ids.count) parts", reason: "with a warning: " + warned.joined(separator: ", "), evidence: evidence)
        }
        return Finding(.pass, value: "\(ids.count) parts passed", evidence: evidence)
    }

    static func text(_ value: JSONValue) -> String {
        (try? JSONEncoder.sorted.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
