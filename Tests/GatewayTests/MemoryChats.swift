import AsyncHTTPClient
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Memory
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import TestSupport
import Testing

@testable import Gateway

/// A model that notes what it is given, and answers what it is told to.
final class NotingModel: SuiteService {
    let id = ServiceID.inferenceChat
    let errorShape = ErrorShape.openAI
    let seen = Mutex<[String]>([])
    let answer = Mutex("Bori is a fine name for a dog.")
    /// Ends when a stream without end was broken off.
    let brokenOff: AsyncStream<Void>
    private let breaking: AsyncStream<Void>.Continuation

    init() { (brokenOff, breaking) = AsyncStream.makeStream() }

    func health() async -> Health { Health() }

    /// A stream whose client has to leave.
    static let endless = "endless"
    /// The longest body that it reads.
    let longest = Mutex(Int.max)

    var routes: [Route] {
        [
            Route(.post, "/v1/chat/completions", "Answers.") { [self] request, context in
                let body = String(buffer: try await request.bytes(context))
                seen.withLock { $0.append(body) }
                let text = answer.withLock { $0 }
                guard body.utf8.count <= longest.withLock({ $0 }) else { throw ServiceError.badRequest("That is past the context.") }
                if body.contains(Self.endless) { return Response(status: .ok, headers: Self.events, body: withoutEnd) }
                if body.contains("\"stream\":true") {
                    return Response(status: .ok, headers: Self.events, body: .init(byteBuffer: ByteBuffer(string: Self.stream(text))))
                }
                return .json(
                    [
                        "model": "small",
                        "choices": [["index": 0, "finish_reason": "stop", "message": ["role": "assistant", "content": .string(text)]]],
                        "usage": ["prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12],
                    ] as JSONValue)
            }
        ]
    }

    /// The events of an answer, two characters in each.
    static func stream(_ text: String) -> String {
        var events = ""
        var rest = text[...]
        while !rest.isEmpty {
            let delta: JSONValue = ["choices": [["index": 0, "delta": ["content": .string(String(rest.prefix(2)))]]]]
            events += SSE.event((try? JSONEncoder.sorted.encode(delta)).map { String(decoding: $0, as: UTF8.self) } ?? "")
            rest = rest.dropFirst(2)
        }
        return events + SSE.event(#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
            + SSE.event(#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#) + SSE.event("[DONE]")
    }

    private static let events: HTTPFields = [.contentType: "text/event-stream"]

    private var withoutEnd: ResponseBody {
        ResponseBody { [breaking] writer in
            defer { breaking.finish() }
            while true {
                try await writer.write(ByteBuffer(string: SSE.event(#"{"choices":[{"index":0,"delta":{"content":"on "}}]}"#)))
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}

/// Memory that fails, does not answer, or holds back what it is told.
final class TroubledMemory: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    let saves = Mutex<[SaveConversationRequest]>([])
    /// Saves that are answered 503 before one is taken.
    let failures: Mutex<Int>
    /// Saves are answered once it has ended.
    private let gate: AsyncStream<Void>
    let opening: AsyncStream<Void>.Continuation

    init(failures: Int = 0, isOpen: Bool = true) {
        self.failures = Mutex(failures)
        (gate, opening) = AsyncStream.makeStream()
        if isOpen { opening.finish() }
    }

    func health() async -> Health { Health() }

    var routes: [Route] {
        [
            Route(.post, "/v1/memory/recall", "Does not answer.", stopsWhenClientLeaves: true) { request, _ in
                try await request.whileClientStays { try await Task.sleep(for: .seconds(3_600)) }
                return .json(["late": true])
            },
            Route(.post, "/v1/memory/conversations", "Keeps a turn.") { [self] request, context in
                let turn = try await request.strict(SaveConversationRequest.self, context)
                for await _ in gate {}
                let isRefused = failures.withLock { failures in
                    defer { failures -= failures > 0 ? 1 : 0 }
                    return failures > 0
                }
                guard !isRefused else { throw ServiceError.unavailable("Not now.", retryAfter: .seconds(1)) }
                saves.withLock { $0.append(turn) }
                return .json(
                    ["conversation_id": 1, "project_id": "p", "importance_score": 5, "expires_at": nil] as JSONValue)
            },
        ]
    }
}

/// Who calls stands in the key: the user, and after a plus sign “memory” for a key whose chats use it, “guest” for a guest's.
private struct NamedDoor: Authenticator {
    func caller(for credentials: Credentials) async -> Caller? {
        guard let words = credentials.key?.split(separator: "+"), let user = words.first else { return nil }
        return Caller(
            id: String(user), role: words.contains("guest") ? .guest : .developer, usesMemory: words.contains("memory"))
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A gateway before a model that notes, beside a memory.
struct MemoryChats: Sendable {
    let address: String
    let model: NotingModel
    /// Asks the memory as a service of the suite.
    let memory: MemoryClient

    /// With a real memory, which searches by words: nothing embeds here.
    static func withMemory(_ body: @escaping @Sendable (MemoryChats) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["QDRANT_PORT": "1", "EMBEDDING_PORT": "1"], folder: folder)
            let memory = MemoryService(settings: settings, clients: SuiteClients(settings: settings, key: nil), logger: quiet)
            try await withRunning(memory, settings: settings, authenticator: OpenDoor(role: .service)) { client in
                try await run(memoryPort: try #require(client.port), body)
            }
        }
    }

    /// With a memory in trouble.
    static func with(_ memory: TroubledMemory, _ body: @escaping @Sendable (MemoryChats) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(memory, settings: settings) { client in
                // Where recall never answers, any limit will do.
                try await run(memoryPort: try #require(client.port), recallLimit: .milliseconds(50), body)
            }
        }
    }

    /// With a memory on a port.
    static func run(
        memoryPort: Int, recallLimit: Duration = .seconds(120), _ body: @escaping @Sendable (MemoryChats) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["MEMORY_PORT": "\(memoryPort)"], folder: folder)
            let model = NotingModel()
            try await withRunning(model, settings: settings) { behind in
                let up = Upstream(name: "up", baseURL: "http://127.0.0.1:\(try #require(behind.port))", key: nil)
                let gateway = GatewayService(
                    aliases: [("chat-7b", [up])], embedding: up, settings: settings, key: "k", recallLimit: recallLimit,
                    saveLimit: .seconds(120),
                    pauses: [.zero, .zero], logger: quiet)
                try await withRunning(gateway, settings: settings, authenticator: NamedDoor()) { client in
                    let memory = MemoryClient(SuiteClients(settings: settings, key: nil).client(.memoryAPI))
                    try await body(
                        MemoryChats(address: "http://127.0.0.1:\(try #require(client.port))", model: model, memory: memory))
                }
            }
        }
    }

    struct Answer: Sendable {
        let status: Int
        let headers: HTTPHeaders
        let text: String

        var memory: String? { headers.first(name: "X-Memory") }
        var used: Int? { headers.first(name: "X-Memory-Used").flatMap { Int($0) } }
    }

    func begin(_ body: String, key: String, _ headers: [(String, String)]) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address + "/v1/chat/completions")
        request.method = .POST
        request.headers = HTTPHeaders([("Authorization", "Bearer \(key)")] + headers)
        request.body = .bytes(ByteBuffer(string: body))
        return try await HTTPClient.suite.execute(request, timeout: .seconds(240))
    }

    func post(_ body: String, key: String = "anna", _ headers: [(String, String)] = [("X-Memory", "on")]) async throws -> Answer {
        let answer = try await begin(body, key: key, headers)
        let bytes = try await answer.body.collect(upTo: 1 << 24)
        return Answer(status: Int(answer.status.code), headers: answer.headers, text: String(buffer: bytes))
    }

    /// A chat of one message.
    func say(
        _ text: String, stream: Bool = false, key: String = "anna", _ headers: [(String, String)] = [("X-Memory", "on")]
    ) async throws -> Answer {
        let message = String(decoding: try JSONEncoder.wire.encode(text), as: UTF8.self)
        return try await post(
            #"{"model":"chat-7b","stream":\#(stream),"messages":[{"role":"user","content":\#(message)}]}"#, key: key, headers)
    }

    /// The messages that the model was given last, each in its own bytes.
    func lastMessages() throws -> [String] {
        let body = try #require(model.seen.withLock { $0.last })
        return try JSONElements(try #require(try JSONMembers(body.utf8)["messages"])).elements
    }

    func lastBody() -> String? { model.seen.withLock { $0.last } }

    /// A project's turns, oldest first, once so many are kept.
    func turns(of project: String = "user-anna", _ count: Int) async throws -> [JSONValue] {
        while true {
            if let kept = try? await memory.list(project, limit: 100, offset: 0)["conversations"]?.arrayValue, kept.count >= count {
                return kept.sorted { ($0["id"]?.intValue ?? 0) < ($1["id"]?.intValue ?? 0) }
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
