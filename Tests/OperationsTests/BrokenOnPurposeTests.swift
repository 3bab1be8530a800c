import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import NIOPosix
import Operations
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
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

/// A retrieval service that does nothing, and has a good answer to everything.
private struct Idle: SuiteService {
    let id = ServiceID.rag
    let errorShape = ErrorShape.detail
    /// Whether its answers claim to be answers.
    var isAnswering = false
    /// What it says.
    var answer = "문서에서 찾지 못했습니다. [1]"
    var status = Health.Status.ok

    var routes: [Route] {
        [
            Route(.post, "/index", "Indexes nothing.") { _, _ in
                .json(
                    IndexResponse(
                        collection: "verify", chunks: 2, files: 1, indexed: 0, unchanged: 1, removed: 0, failed: [], seconds: 0))
            },
            Route(.post, "/query", "Answers.") { _, _ in
                let sources = [("python-file-reading.md", 1), ("other.md", 2)].map {
                    Source(index: $0.1, file: $0.0, lines: [1, 2], heading: nil, text: "text", score: 1)
                }
                return .json(
                    QueryResponse(
                        answer: answer, answered: isAnswering, sources: sources, context: [], usage: nil, cached: false, response_time_ms: 1
                    ))
            },
        ]
    }

    func health() async -> Health { Health(status, reason: status == .ok ? nil : "broken on purpose") }
}

/// Makes users and keys for whoever asks, as the tool server's administration would.
private struct Registrar: SuiteService {
    let id = ServiceID.mcpServer
    let errorShape = ErrorShape.detail
    var routes: [Route] {
        [
            Route(.post, "/security/users", "Adds nobody.") { _, _ in .json(["user_id": "x"] as JSONValue) },
            Route(.post, "/security/keys", "A key of nobody.") { _, _ in .json(["key": ["key": "maru_x_1"]] as JSONValue) },
            Route(.delete, "/security/users/{user_id}", "Removes nobody.") { _, _ in Response(status: .noContent) },
        ]
    }
    func health() async -> Health { Health() }
}

/// A memory that tells everybody what anybody said; or nobody anything.
private struct Indiscreet: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    var isMute = false
    private static let said = Mutex("")

    var routes: [Route] {
        [
            Route(.post, "/v1/memory/conversations", "Listens.") { request, context in
                let body = try await request.decode(JSONValue.self, context)
                Self.said.withLock { $0 = body["user_query"]?.stringValue ?? "" }
                return .json(["success": true] as JSONValue)
            },
            Route(.post, "/v1/memory/conversations/search", "Tells.") { _, _ in
                .json(["results": .string(isMute ? "" : Self.said.withLock { $0 })] as JSONValue)
            },
            Route(.delete, "/v1/memory/projects/{id}", "Forgets nothing.") { _, _ in Response(status: .noContent) },
        ]
    }
    func health() async -> Health { Health() }
}

@Suite("Checks fail when what they look at is broken on purpose")
struct BrokenOnPurposeTests {
    private func run(_ id: String, _ settings: Settings, patience: Duration = .zero, programPath: String? = nil) async -> CheckResult? {
        let context = CheckContext(
            settings: settings, clients: SuiteClients(settings: settings, key: nil), patience: patience, programPath: programPath)
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

    @Test("S03: a port that this build does not use is no reason to refuse the machine")
    func heldPortOfALaterBuild() async throws {
        try await withScratchFolder { folder in
            // Somebody on this machine may have it already, which is as good.
            let holder = try? await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 9_090).get()
            // Ports of this build's services that are taken here for other reasons would be told first.
            let ports = ServiceCatalogue.all.flatMap(\.ports).map { ($0.name, "1") }
            let result = try #require(
                await run("S03", try await Settings.test(Dictionary(uniqueKeysWithValues: ports), folder: folder)))
            #expect(result.outcome == .warn)
            #expect(result.reason?.contains("9090 (for prometheus)") == true)
            try await holder?.close()
        }
    }

    @Test("C10: memory that tells one user what another said is found out, and so is one that tells nobody anything")
    func leakingMemory() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try await withRunning(Registrar(), settings: base) { registrar in
                for (memory, outcome) in [(Indiscreet(), Outcome.fail), (Indiscreet(isMute: true), .inconclusive)] {
                    try await withRunning(memory, settings: base) { client in
                        let settings = try await Settings.test(
                            [
                                "MEMORY_PORT": "\(try #require(client.port))", "MCP_SECURITY_PORT": "\(try #require(registrar.port))",
                                "QDRANT_PORT": "1",
                            ], folder: folder)
                        let result = try #require(await run("C10", settings))
                        #expect(result.outcome == outcome, "\(result.reason ?? "")")
                        if outcome == .fail { #expect(result.reason?.contains("search in his project") == true) }
                    }
                }
            }
        }
    }

    @Test("S26, S27: what was indexed before is not indexed, a refusal is no answer, another file's citation is none")
    func idleRetrieval() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try base.dataFolders.create()
            let broken = [
                ("S26", Idle(), "0 documents were indexed"), ("S27", Idle(), "found no answer"),
                ("S27", Idle(isAnswering: true, answer: "open 함수로 연다."), "does not cite"),
                ("S27", Idle(isAnswering: true, answer: "open 함수로 연다. [2]"), "does not cite"),
                ("S27", Idle(isAnswering: true, answer: "Use open. [1]"), "not Korean"),
            ]
            for (id, service, reason) in broken {
                try await withRunning(service, settings: base) { client in
                    let settings = try await Settings.test(["RAG_PORT": "\(try #require(client.port))"], folder: folder)
                    let result = try #require(await run(id, settings))
                    #expect(result.outcome == .fail)
                    #expect(result.reason?.contains(reason) == true, "\(result.reason ?? "")")
                }
            }
            try await withRunning(Idle(isAnswering: true, answer: "open 함수로 연다. [1]"), settings: base) { client in
                let settings = try await Settings.test(["RAG_PORT": "\(try #require(client.port))"], folder: folder)
                #expect(await run("S27", settings)?.outcome != .fail)
            }
        }
    }

    @Test("S07, S10, S11: a service that stays unready fails, and so does another that answers in its place")
    func wrongService() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try await withRunning(Idle(status: .degraded), settings: base) { client in
                let port = "\(try #require(client.port))"
                let settings = try await Settings.test(["RAG_PORT": port], folder: folder)
                let result = try #require(await run("S10", settings, patience: .milliseconds(10)))
                #expect(result.outcome == .fail)
                #expect(result.value == "HTTP 503")
            }
            try await withRunning(Idle(), settings: base) { client in
                let port = "\(try #require(client.port))"
                let settings = try await Settings.test(["RAG_PORT": port, "EMBEDDING_PORT": port, "API_GATEWAY_PORT": "1"], folder: folder)
                #expect(await run("S10", settings, patience: .seconds(60))?.outcome == .pass)
                let result = try #require(await run("S11", settings))
                #expect(result.outcome == .fail)
                #expect(result.reason?.contains("another program answers") == true)
                #expect(await run("S07", settings)?.evidence.contains("embedding NOT RUNNING") == true)
            }
        }
    }

    @Test("F09: crashes count, the latest comes last, a log that was set aside is read, silence proves nothing")
    func logs() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try settings.dataFolders.create()
            func line(_ level: String, _ message: String, _ age: TimeInterval) -> String {
                let moment = Date.now.addingTimeInterval(-age).formatted(
                    .iso8601.year().month().day().time(includingFractionalSeconds: true))
                return #"{"timestamp":"\#(moment)","level":"\#(level)","service":"s","message":"\#(message)"}"# + "\n"
            }
            func write(_ name: String, _ lines: String...) throws {
                try lines.joined().write(
                    toFile: settings.dataFolders.logs.appending(name).string, atomically: true, encoding: .utf8)
            }
            try write("rag.log", line("error", "long ago", 3_600))
            #expect(await run("F09", settings)?.outcome == .inconclusive)
            try write("rag.log", line("error", "long ago", 3_600), line("info", "now", 5))
            #expect(await run("F09", settings)?.outcome == .pass)

            try write("qdrant.log", line("info", "begin", 400), "q/F.swift:1: Fatal error: it broke\n", line("info", "again", 300))
            try write("rag.log", line("critical", "late", 100), line("info", "now", 5))
            try write("rag.log.1", line("error", "long ago", 3_600), line("error", "early", 200))
            let result = try #require(await run("F09", settings))
            #expect(result.outcome == .warn)
            #expect(result.value == "3")
            #expect(result.reason?.contains("late") == true)
            let told = result.evidence.split(separator: "\n")
            #expect(told.count == 3)
            #expect(told.first?.contains("qdrant.log: q/F.swift:1: Fatal error") == true)
            #expect(told.dropFirst().first?.contains("rag.log.1: early") == true)
        }
    }

    @Test("F12, S31: memory is judged on the fullest GPU, and only while this stack's models lie in it")
    func gpuMemory() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try settings.dataFolders.create()
            let programs = folder.appending("bin")
            try FileManager.default.createDirectory(atPath: programs.string, withIntermediateDirectories: true)
            func driver(memory: String, apps: String) throws {
                let script = "#!/bin/sh\ncase \"$1\" in *query-gpu*) printf '\(memory)';; *) printf '\(apps)';; esac\n"
                let path = programs.appending("nvidia-smi").string
                #expect(FileManager.default.createFile(atPath: path, contents: Data(script.utf8), attributes: [.posixPermissions: 0o755]))
            }
            func outcome(_ id: String) async -> Outcome? { await run(id, settings, programPath: programs.string)?.outcome }
            #expect(await outcome("F12") == .skip)

            let own = try #require(ProcessIdentity(pid: ProcessInfo.processInfo.processIdentifier))
            try driver(memory: "1000, 500, First\\n", apps: "\(own.pid), 400\\n")
            #expect(await outcome("F12") == .inconclusive, "no engine runs")

            try ProcessRecord("inference-chat.engine", in: settings.dataFolders.run).write(own)
            #expect(await outcome("F12") == .pass)
            #expect(await outcome("S31") == .pass)
            try driver(memory: "1000, 500, First\\n1000, 950, Second\\n", apps: "\(own.pid), 400\\n")
            #expect(await outcome("F12") == .fail, "the second is full")
            try driver(memory: "1000, 500, First\\n", apps: "1, 400\\n")
            #expect(await outcome("F12") == .inconclusive, "somebody else's")
            try driver(memory: "nothing", apps: "")
            #expect(await outcome("F12") == .fail)
        }
    }

    @Test("S05, S23: a machine without git is told from a folder that is no checkout")
    func git() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            for id in ["S05", "S23"] {
                let lacking = try #require(await run(id, settings, programPath: folder.string))
                #expect(lacking.outcome == .skip)
                #expect(lacking.reason == "git is not installed")
                let result = try #require(await run(id, settings))
                #expect(result.outcome == .skip)
                #expect(result.reason?.contains("is not a git checkout") == true)
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
            let ports = [
                "API_GATEWAY_PORT", "RAG_PORT", "EMBEDDING_PORT", "INFERENCE_CHAT_PORT", "INFERENCE_CODE_PORT", "QDRANT_PORT",
                "MCP_PORT", "MCP_SECURITY_PORT",
            ]
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
            for id in ["S16", "S20", "P4"] {
                let result = try #require(await run(id, settings))
                #expect(result.outcome == .skip)
                #expect(result.reason == "not part of this build")
            }
        }
    }
}
