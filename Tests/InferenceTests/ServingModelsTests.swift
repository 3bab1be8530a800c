import AsyncHTTPClient
import Foundation
import HummingbirdTesting
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Inference

/// Real engines and real models: the smallest of the catalogue, and a second one.
@Suite("Serving another model", .serialized, .enabled(if: RealEngine.hasSecond, RealEngine.needsSecond))
struct ServingModelsTests {
    private static let chat = "/v1/chat/completions"
    private static let path = "/admin/model"
    private static let small = "smollm2-135m"
    private static let second = "qwen2.5-coder-0.5b"
    private static let hi: JSONValue = ["messages": [["role": "user", "content": "Hi"]], "max_tokens": 2]

    private func refusal(_ running: RunningModel, _ body: ModelSwitchRequest) async throws -> UpstreamError {
        let error = await #expect(throws: UpstreamError.self) { try await running.http.bytes(.POST, Self.path, body: body) }
        return try #require(error)
    }

    @Test("weakness_21_another_model_is_served_once_it_is_ready_and_the_first_one_again")
    func weakness_21_thereAndBack() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                let client = InferenceClient(running.http)
                let same = try await client.switchModel(ModelSwitchRequest(model: Self.small))
                #expect(same.success && same.switch_time_seconds == 0 && same.current_model == Self.small)

                let planned = try await client.switchModel(ModelSwitchRequest(model: Self.second, dryRun: true))
                #expect(planned.current_model == Self.small && planned.message.contains(Self.second))
                #expect(try await running.health()["model"]?.stringValue == Self.small)

                let answer = try await client.switchModel(ModelSwitchRequest(model: Self.second))
                #expect(answer.success && answer.current_model == Self.second && answer.switch_time_seconds > 0)
                #expect(answer.message.contains("CHAT_MODEL"))
                let list: ModelList = try await running.http.send(.GET, "/v1/models")
                #expect(list.data.map(\.id) == [Self.second])
                let reply: JSONValue = try await running.http.send(.POST, Self.chat, body: Self.hi)
                #expect(reply["model"]?.stringValue == Self.second)
                #expect(try await running.health()["model"]?.stringValue == Self.second)

                // Without a name it is the one that the settings name.
                let back = try await client.switchModel(ModelSwitchRequest(model: nil))
                #expect(back.current_model == Self.small)
                let again: JSONValue = try await running.http.send(.POST, Self.chat, body: Self.hi)
                #expect(again["model"]?.stringValue == Self.small)
            }
        }
    }

    @Test("Names are those of the catalogue: 404 for others, paths included; 409 for a model that is not there")
    func names() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                for name in [
                    "nonsense", "multilingual-e5-small", "../x.gguf", RealEngine.model.string, RealEngine.models.appending("x.gguf").string,
                ] {
                    let error = try await refusal(running, ModelSwitchRequest(model: name))
                    #expect(error.status == 404 && error.code == "model_not_found" && error.message.contains("maru models list"))
                }
                let missing = try await refusal(running, ModelSwitchRequest(model: "qwen2.5-coder-7b"))
                #expect(missing.status == 409 && missing.code == "model_unavailable")
                #expect(missing.message.contains("maru models pull qwen2.5-coder-7b"))
                #expect(try await running.health()["model"]?.stringValue == Self.small)
            }
        }
    }

    @Test("While one switch runs, health says loading, callers are told when to come back, and a second switch is 409")
    func meanwhile() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                async let switched: ModelSwitchAnswer = InferenceClient(running.http).switchModel(ModelSwitchRequest(model: Self.second))
                _ = try await eventually(every: .milliseconds(5)) { await running.service.models.next }
                let health = try #require(await running.http.health())
                #expect(health["status"]?.stringValue == "loading" && health["reason"]?.stringValue?.contains(Self.second) == true)
                let second = try await refusal(running, ModelSwitchRequest(model: Self.small))
                #expect(second.status == 409 && second.code == "switch_in_progress")
                let asked = await #expect(throws: UpstreamError.self) { try await running.http.bytes(.POST, Self.chat, body: Self.hi) }
                #expect(asked?.status == 503 && asked?.code == "model_loading" && asked?.retryAfter != nil)
                #expect(try await switched.current_model == Self.second)
                #expect(await running.http.health()?["status"]?.stringValue == "ok")
            }
        }
    }

    @Test("An answer that is being written is finished first")
    func answers() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder) { running in
                _ = try await running.ready()
                let long: JSONValue = [
                    "messages": [["role": "user", "content": "Count."]], "max_tokens": 60, "stream": true, "logit_bias": ["2": -100],
                ]
                let stream = try await running.http.stream(.POST, Self.chat, body: long)
                async let switched: ModelSwitchAnswer = InferenceClient(running.http).switchModel(ModelSwitchRequest(model: Self.second))
                var text = ""
                for try await part in stream.body { text += String(buffer: part) }
                #expect(text.contains("data: [DONE]"))
                #expect(try await switched.current_model == Self.second)
            }
        }
    }

    @Test("An answer that does not end is broken off after a while")
    func endless() async throws {
        try await withScratchFolder { folder in
            try await RunningModel.with(in: folder, patience: .init(answers: .milliseconds(500))) { running in
                _ = try await running.ready()
                let long: JSONValue = [
                    "messages": [["role": "user", "content": "Count."]], "max_tokens": 4_000, "stream": true, "logit_bias": ["2": -100],
                ]
                let stream = try await running.http.stream(.POST, Self.chat, body: long)
                async let switched: ModelSwitchAnswer = InferenceClient(running.http).switchModel(ModelSwitchRequest(model: Self.second))
                await #expect(throws: (any Error).self) { for try await _ in stream.body {} }
                #expect(try await switched.current_model == Self.second)
            }
        }
    }

    @Test("A switch that takes longer than a request may is answered with 504, and goes on")
    func slow() async throws {
        try await withScratchFolder { folder in
            let patience = ModelSwitch.Patience(answers: .seconds(3))
            try await RunningModel.with(.inferenceChat, ["REQUEST_TIMEOUT": "1"], in: folder, patience: patience) { running in
                _ = try await running.ready()
                let long: JSONValue = [
                    "messages": [["role": "user", "content": "Count."]], "max_tokens": 4_000, "stream": true, "logit_bias": ["2": -100],
                ]
                let stream = try await running.http.stream(.POST, Self.chat, body: long)
                let answer = Task { for try await _ in stream.body {} }
                let error = try await refusal(running, ModelSwitchRequest(model: Self.second))
                #expect(error.status == 504 && error.code == "timeout")
                #expect(await running.service.models.next == Self.second)
                let served = try await eventually { await running.http.health().flatMap { $0["ok"] == true ? $0["model"] : nil } }
                #expect(served.stringValue == Self.second)
                await #expect(throws: (any Error).self) { try await answer.value }
            }
        }
    }

    @Test("A model that does not load is told of, and the one before is served again")
    func failing() async throws {
        try await withScratchFolder { folder in
            // Its head is whole, so that nothing but the engine finds out that the rest is not.
            let models = folder.appending("models")
            try FileManager.default.createDirectory(atPath: models.string, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: models.appending("SmolLM2-135M-Instruct.Q4_1.gguf").string, withDestinationPath: RealEngine.model.string)
            try GGUFHeaderTests.file().write(to: URL(filePath: models.appending(RealEngine.secondFile).string))
            try await RunningModel.with(.inferenceChat, ["MODELS_DIR": models.string], in: folder) { running in
                _ = try await running.ready()
                let error = try await refusal(running, ModelSwitchRequest(model: Self.second))
                #expect(error.status == 409 && error.code == "model_failed", "\(error)")
                #expect(error.message.contains("\(Self.small) is served again"))
                let reply: JSONValue = try await running.http.send(.POST, Self.chat, body: Self.hi)
                #expect(reply["model"]?.stringValue == Self.small)
            }
        }
    }

    @Test("Only administrators and services may switch")
    func access() async throws {
        try await withScratchFolder { folder in
            let settings = try await RealEngine.settings(in: folder)
            let service = try await InferenceService(.inferenceChat, settings: settings, logger: RealEngine.logger)
            try await withRunning(service, settings: settings, authenticator: OpenDoor(role: .developer)) { client in
                let http = ServiceClient(name: "chat", baseURL: "http://127.0.0.1:\(client.port ?? 0)")
                let error = await #expect(throws: UpstreamError.self) {
                    try await http.bytes(.POST, Self.path, body: ModelSwitchRequest(model: Self.second))
                }
                #expect(error?.status == 403)
            }
        }
    }
}
