import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

// One at a time: each engine takes whole cores.
@Suite("A model behind a port", .serialized, .enabled(if: RealEngine.isThere, RealEngine.need))
struct EngineProcessTests {
    private struct Chat: Encodable, Sendable {
        struct Message: Encodable, Sendable {
            let role = "user"
            let content: String
        }
        let messages: [Message]
        let max_tokens: Int
        var stream = false
        /// The most likely words, so that each run has the same.
        let temperature = 0
        /// Keeps the model from ending by itself: 2 is its end token.
        var logit_bias: [String: Int] = [:]
        // What no engine may see: a slot that is not there would be an error.
        let id_slot = 99
        let n_discard = -1

        init(_ text: String, max_tokens: Int, stream: Bool = false, endless: Bool = false) {
            messages = [Message(content: text)]
            self.max_tokens = max_tokens
            self.stream = stream
            if endless { logit_bias = ["2": -100] }
        }
    }

    private static let chat = "/v1/chat/completions"

    @Test("It says that it loads, becomes ready, answers whole and in parts, and stops without a trace")
    func life() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                let early = await #expect(throws: UpstreamError.self) {
                    let _: JSONValue = try await running.http.send(.POST, Self.chat, body: Chat("Hi", max_tokens: 4))
                }
                #expect(early?.status == 503 && early?.code == "model_loading" && early?.retryAfter != nil)
                _ = try await running.ready()

                let health: JSONValue = try await running.http.send(.GET, "/health")
                #expect(health["model"]?.stringValue == "smollm2-135m" && health["context"]?.intValue == 4096)
                #expect(health["advisories"]?.intValue == 3)

                let answer: JSONValue = try await running.http.send(.POST, Self.chat, body: Chat("Say hello.", max_tokens: 8))
                #expect(answer["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue?.isEmpty == false)
                #expect(answer["model"]?.stringValue == "smollm2-135m")
                #expect((1...8).contains(try #require(answer["usage"]?["completion_tokens"]?.intValue)))

                var text = ""
                let stream = try await running.http.stream(
                    .POST, Self.chat, body: Chat("Count.", max_tokens: 6, stream: true, endless: true))
                for try await part in stream.body { text += String(buffer: part) }
                #expect(text.components(separatedBy: "data: {").count > 3)
                #expect(text.contains("data: [DONE]"))

                struct Tokens: Decodable { let tokens: [Int] }
                let tokens: Tokens = try await running.http.send(.POST, "/tokenize", body: ["content": "a private stack"])
                let back: JSONValue = try await running.http.send(.POST, "/detokenize", body: ["tokens": tokens.tokens])
                #expect(back["content"]?.stringValue == "a private stack")

                let key = try FileManager.default.attributesOfItem(atPath: running.folder.appending("inference-chat.engine.key").string)
                #expect((key[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.appending("data/run").string).isEmpty)
            // The launcher's watcher ends a moment after the engine.
            _ = try await eventually { Self.commandLines(with: folder.string).isEmpty ? true : nil }
        }
    }

    @Test("An engine that is killed comes back by itself; until then callers are told when to come back")
    func killed() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                let before = try await running.ready()
                let first = try #require(running.record.identity)
                first.send(SIGKILL)
                let reason = try await eventually {
                    if case .failing(let reason, _) = await running.service.engine.state { reason } else { nil }
                }
                #expect(reason.contains("\(RealEngine.server)"))
                let error = await #expect(throws: UpstreamError.self) {
                    try await running.http.bytes(.POST, Self.chat, body: Chat("Hi", max_tokens: 1))
                }
                #expect(error?.status == 503 && error?.retryAfter != nil)
                let after = try await running.ready()
                #expect(after.key != before.key)
                #expect(try #require(running.record.identity) != first)
                _ = try await running.http.bytes(.POST, Self.chat, body: Chat("Hi", max_tokens: 1))
            }
        }
    }

    @Test("An engine that hangs is ended and started anew")
    func hanging() async throws {
        try await withScratchFolder { folder in
            let settings = try await RealEngine.settings(in: folder)
            let process = EngineProcess(
                name: "hanging",
                configuration: EngineConfiguration(use: .chat, model: RealEngine.model, alias: "x", context: 512, batch: 64, threads: 1),
                engine: try await EngineDiscovery(settings: settings).find(), runFolder: settings.dataFolders.run,
                logger: RealEngine.logger, pulse: .init(every: .milliseconds(100), patience: .seconds(1)))
            let run = Task { try await process.run() }
            let record = ProcessRecord("hanging.engine", in: settings.dataFolders.run)
            _ = try await eventually { await process.endpoint() }
            let first = try #require(record.identity)
            first.send(SIGSTOP)
            _ = try await eventually { !first.isAlive && record.identity != nil ? true : nil }
            _ = try await eventually { await process.endpoint() }
            run.cancel()
            try await run.value
        }
    }

    @Test("A client that leaves stops the answer that is being written for it")
    func leavesStream() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                let stream = try await running.http.stream(
                    .POST, Self.chat, body: Chat("Count to a million.", max_tokens: 3_500, stream: true, endless: true))
                for try await _ in stream.body { break }
                _ = try await eventually { try await running.figure("requests_processing") == 0 ? true : nil }
                #expect(try await running.figure("tokens_predicted_total") < 3_500)
            }
        }
    }

    @Test("A client that leaves while its prompt is being read stops the reading")
    func leavesPrompt() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(.inferenceChat, ["LLAMA_BATCH": "32"], in: folder) { running in
                _ = try await running.ready()
                let long = (0..<500).map { "word\($0)" }.joined(separator: " ")
                let call = Task { _ = try? await running.http.bytes(.POST, Self.chat, body: Chat(long, max_tokens: 1)) }
                _ = try await eventually { try await running.figure("requests_processing") == 1 ? true : nil }
                call.cancel()
                // llama-server looks for clients that left after a second without a result for anybody; figures are results too.
                _ = try await eventually(every: .seconds(2)) { try await running.figure("requests_processing") == 0 ? true : nil }
                // What was read of the prompt by then counts.
                #expect(try await running.figure("prompt_tokens_total") < 1_000)
            }
        }
    }

    @Test("Two engines run side by side, and neither knows the other's key")
    func two() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(.inferenceChat, in: folder) { chat in
                try await RunningModel.with(.inferenceCode, in: folder) { code in
                    let first = try await chat.ready()
                    let second = try await code.ready()
                    for running in [chat, code] { _ = try await running.http.bytes(.POST, Self.chat, body: Chat("Hi", max_tokens: 1)) }
                    let refused = await #expect(throws: UpstreamError.self) {
                        try await ServiceClient(name: "engine", baseURL: first.baseURL, key: second.key)
                            .bytes(.POST, Self.chat, body: Chat("Hi", max_tokens: 1))
                    }
                    #expect(refused?.status == 401)
                }
            }
        }
    }

    @Test("What an earlier run left behind is ended first; a process that only has its number lives on")
    func leftover() async throws {
        try await withScratchFolder { folder in
            let settings = try await RealEngine.settings(in: folder)
            let left = Process()
            left.executableURL = URL(filePath: "/bin/sleep")
            left.arguments = ["600"]
            try left.run()
            defer { left.terminate() }
            let identity = try #require(ProcessIdentity(pid: left.processIdentifier))
            let record = ProcessRecord("inference-chat.engine", in: settings.dataFolders.run)

            try "\(identity.pid) \(identity.started + 1)\n".write(toFile: record.path.string, atomically: true, encoding: .utf8)
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                #expect(identity.isAlive)
            }
            try record.write(identity)
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                #expect(!identity.isAlive)
            }
        }
    }

    @Test("An engine that cannot start says why, in its own words")
    func broken() async throws {
        try await withScratchFolder { folder in
            let settings = try await RealEngine.settings(in: folder)
            let broken = folder.appending("broken.gguf")
            try Data("no model".utf8).write(to: URL(filePath: broken.string))
            let process = EngineProcess(
                name: "broken",
                configuration: EngineConfiguration(use: .chat, model: broken, alias: "x", context: 512, batch: 64, threads: 1),
                engine: try await EngineDiscovery(settings: settings).find(), runFolder: settings.dataFolders.run, logger: RealEngine.logger
            )
            let run = Task { try await process.run() }
            let reason = try await eventually {
                if case .failing(let reason, _) = await process.state { reason } else { nil }
            }
            #expect(reason.contains("broken.gguf") || reason.contains("failed to load"))
            run.cancel()
            try await run.value
            #expect(await process.state == .stopped)
        }
    }

    /// Processes whose command line names something below a folder.
    private static func commandLines(with folder: String) -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { Int($0) != nil }.compactMap { try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8) }
            .filter { $0.contains(folder) }
    }
}
