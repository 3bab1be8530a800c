import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Operations
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

/// A service that stands where a foreign program would.
private struct Foreign: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    let routes: [Route] = []
    func health() async -> Health { Health() }
}

@Suite("Checks fail when what they look at is broken on purpose")
struct BrokenOnPurposeTests {
    private func run(_ id: String, _ settings: Settings, patience: Duration = .zero) async -> CheckResult? {
        let context = CheckContext(settings: settings, clients: SuiteClients(settings: settings, key: nil), patience: patience)
        return await CheckRunner(context).run(Checklist.all(settings).filter { $0.id == id }).first
    }

    @Test("S03: a port that something else holds is named, with the service it belongs to")
    func heldPort() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try await withRunning(Foreign(), settings: base) { client in
                let port = try #require(client.port)
                let settings = try await Settings.test(["RAG_PORT": "\(port)"], folder: folder)
                let result = try #require(await run("S03", settings))
                #expect(result.outcome == .fail)
                #expect(result.reason?.contains("\(port)") == true)
                #expect(result.reason?.contains("rag") == true)
            }
        }
    }

    @Test("S06: a full disk fails, a missing folder is judged by its file system instead of crashing")
    func disk() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["DATA_DIR": "/proc/self/nowhere/data"], folder: folder)
            let result = try #require(await run("S06", settings))
            #expect(result.outcome == .fail)
            #expect(result.reason?.contains("DATA_DIR") == true)
        }
    }

    @Test("S04 and S24: models that are not there are named, with the command that fetches them")
    func missingModels() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            for id in ["S04", "S24"] {
                let result = try #require(await run(id, settings))
                #expect(result.outcome == .fail)
                #expect(result.reason?.contains("maru models pull") == true)
            }
        }
    }

    @Test("S07, S09 to S14: services that do not run fail; nothing passes by silence")
    func nothingRuns() async throws {
        try await withScratchFolder { folder in
            // Port 1 is never ours: every call is refused at once.
            let ports = ["API_GATEWAY_PORT", "RAG_PORT", "EMBEDDING_PORT", "INFERENCE_CHAT_PORT", "INFERENCE_CODE_PORT", "QDRANT_PORT"]
            let settings = try await Settings.test(Dictionary(uniqueKeysWithValues: ports.map { ($0, "1") }), folder: folder)
            for id in ["S07", "S09", "S10", "S11", "S12", "S13", "S14", "S26", "S27", "S28", "S30", "S33"] {
                let result = try #require(await run(id, settings))
                #expect(result.outcome == .fail, "\(id) \(result.outcome) \(result.reason ?? "")")
            }
            let latency = try #require(await run("G2", settings))
            #expect(latency.outcome == .inconclusive)
        }
    }

    @Test("C02: a key that others can read fails")
    func openSecret() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try settings.dataFolders.create()
            let key = settings.dataFolders.secrets.appending("admin.key").string
            #expect(FileManager.default.createFile(atPath: key, contents: Data("k".utf8), attributes: [.posixPermissions: 0o644]))
            #expect(await run("C02", settings)?.outcome == .fail)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
            #expect(await run("C02", settings)?.outcome == .pass)
        }
    }

    @Test("What this build does not contain is skipped with that reason, never passed")
    func absent() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            for id in ["S08", "S15", "S16", "S22", "S29", "S32"] {
                let result = try #require(await run(id, settings))
                #expect(result.outcome == .skip)
                #expect(result.reason == "not part of this build")
            }
        }
    }
}
