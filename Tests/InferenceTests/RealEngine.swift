import Foundation
import HummingbirdTesting
import Logging
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

/// The real engine and the smallest real model, where the machine has them.
enum RealEngine {
    private static let environment = ProcessInfo.processInfo.environment
    static let server = environment["MARU_TEST_LLAMA_SERVER"] ?? ""
    static let models = FilePath(environment["MARU_TEST_MODELS"] ?? "")
    static let model = models.appending("SmolLM2-135M-Instruct.Q4_1.gguf")
    static let isThere = !server.isEmpty && FileManager.default.fileExists(atPath: model.string)
    static let secondFile = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    /// Whether there is another model to exchange it for.
    static let hasSecond = isThere && FileManager.default.fileExists(atPath: models.appending(secondFile).string)
    static let needsSecond: Comment = "needs MARU_TEST_LLAMA_SERVER, and the models smollm2-135m and qwen2.5-coder-0.5b in MARU_TEST_MODELS"
    static let need: Comment = "needs MARU_TEST_LLAMA_SERVER, and SmolLM2-135M-Instruct.Q4_1.gguf in the folder MARU_TEST_MODELS"

    static func settings(_ values: [String: String] = [:], in folder: FilePath) async throws -> Settings {
        let own = ["LLAMA_SERVER": server, "MODELS_DIR": models.string, "CHAT_MODEL": "smollm2-135m", "CODE_MODEL": "smollm2-135m"]
        let settings = try await Settings.test(own.merging(values) { _, given in given }, folder: folder)
        try settings.dataFolders.create()
        return settings
    }

    static var logger: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

/// A running inference service, seen from outside and from inside.
struct RunningModel: Sendable {
    let service: InferenceService
    let http: ServiceClient
    let folder: FilePath

    /// Runs a service until the body is done.
    static func with(
        _ id: ServiceID = .inferenceChat, _ values: [String: String] = [:], in folder: FilePath, patience: ModelSwitch.Patience = .init(),
        _ body: @escaping @Sendable (RunningModel) async throws -> Void
    ) async throws {
        let settings = try await RealEngine.settings(values, in: folder)
        let service = try await InferenceService(id, settings: settings, logger: RealEngine.logger, patience: patience)
        try await withRunning(service, settings: settings, authenticator: OpenDoor(role: .admin)) { client in
            let port = try #require(client.port)
            let http = ServiceClient(name: id.rawValue, baseURL: "http://127.0.0.1:\(port)", timeout: .seconds(240))
            try await body(RunningModel(service: service, http: http, folder: settings.dataFolders.run))
        }
    }

    var record: ProcessRecord { ProcessRecord("\(service.id.rawValue).engine", in: folder) }

    /// Waits until the model answers.
    func ready() async throws -> EngineEndpoint {
        try await eventually { await service.engine.endpoint() }
    }

    func health() async throws -> JSONValue { try await http.send(.GET, "/health") }

    /// One of the engine's own figures.
    func figure(_ name: String) async throws -> Double {
        let endpoint = try await ready()
        let text = String(
            buffer: try await ServiceClient(name: "engine", baseURL: endpoint.baseURL, key: endpoint.key).bytes(.GET, "/metrics"))
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("llamacpp:\(name) ") }, "\(name)")
        return try #require(line.split(separator: " ").last.flatMap { Double($0) })
    }
}

/// Asks again and again until there is an answer; generous, since machines that test are busy.
func eventually<Value: Sendable>(
    within limit: Duration = .seconds(120), every pause: Duration = .milliseconds(50), _ ask: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while ContinuousClock.now < deadline {
        if let value = try await ask() { return value }
        try await Task.sleep(for: pause)
    }
    throw NeverHappened(limit: limit)
}

/// What a test waited for did not come.
struct NeverHappened: Error {
    let limit: Duration
}
