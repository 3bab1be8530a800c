import AsyncHTTPClient
import Foundation
import NIOHTTP1
import ServiceKit
import Suite

/// Asks the gateway for completions.
public struct ChatClient: Sendable {
    private let client: ServiceClient

    /// - Parameter client: reaches the gateway; its time limit covers a whole answer.
    public init(_ client: ServiceClient) { self.client = client }

    /// A whole answer.
    public func complete(_ request: ChatRequest) async throws -> ChatCompletion {
        try await client.send(.POST, "/v1/chat/completions", body: request)
    }

    /// An answer as it is made. Leaving the loop stops the generation.
    ///
    /// - Parameter told: is given what the gateway says of memory, where it was asked for; see ``ChatMemoryHeaders``.
    /// - Throws: ``UpstreamError``, also from within the stream when the gateway reports a failure there.
    public func stream(
        _ request: ChatRequest, memory told: (String) -> Void = { _ in }
    ) async throws -> AsyncThrowingStream<ChatChunk, any Error> {
        var request = request
        request.stream = true
        request.stream_options = .init(include_usage: true)
        let response = try await client.stream(.POST, "/v1/chat/completions", body: request)
        if let state = response.headers.first(name: ChatMemoryHeaders.memory) { told(state) }
        let events = response.body.sseData
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    for try await data in events where data != "[DONE]" {
                        continuation.yield(try Self.chunk(data, service: client.name))
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// The models the gateway offers.
    public func models() async throws -> ModelList { try await client.send(.GET, "/v1/models") }

    private static func chunk(_ data: String, service: String) throws -> ChatChunk {
        if let failure = try? JSONDecoder().decode(JSONValue.self, from: Data(data.utf8))["error"] {
            throw UpstreamError(service: service, code: failure["code"]?.stringValue, message: failure["message"]?.stringValue ?? data)
        }
        do {
            return try JSONDecoder().decode(ChatChunk.self, from: Data(data.utf8))
        } catch {
            throw UpstreamError(service: service, status: 200, message: "an event of its stream cannot be read: \(data.prefix(200))")
        }
    }
}
