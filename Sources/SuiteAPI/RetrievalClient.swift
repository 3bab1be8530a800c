import AsyncHTTPClient
import Foundation
import NIOHTTP1
import ServiceKit

/// Asks the retrieval service.
public struct RetrievalClient: Sendable {
    private let client: ServiceClient

    public init(_ client: ServiceClient) { self.client = client }

    public func index(_ request: IndexRequest) async throws -> IndexResponse { try await client.send(.POST, "/index", body: request) }

    public func query(_ request: QueryRequest) async throws -> QueryResponse { try await client.send(.POST, "/query", body: request) }

    public func search(_ request: QueryRequest) async throws -> SearchResponse { try await client.send(.POST, "/search", body: request) }

    /// The names of the collections that were read in.
    public func collections() async throws -> [String] {
        struct Answer: Decodable {
            struct Collection: Decodable { let name: String }
            let collections: [Collection]
        }
        let answer: Answer = try await client.send(.GET, "/collections")
        return answer.collections.map(\.name)
    }

    /// Forgets the answers that are kept to be given again.
    public func forgetAnswers() async throws { _ = try await client.bytes(.DELETE, "/cache") }

    /// An answer as it is made: its sources first, then its text, then the whole.
    public func stream(_ request: QueryRequest) async throws -> AsyncThrowingStream<QueryEvent, any Error> {
        var request = request
        request.stream = true
        let response = try await client.stream(.POST, "/query", body: request)
        let events = response.body.sseData
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    for try await data in events {
                        if let event = try Self.event(data, service: client.name) { continuation.yield(event) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Events are objects with one member, which names them.
    private static func event(_ data: String, service: String) throws -> QueryEvent? {
        struct Event: Decodable {
            let sources: [Source]?
            let delta: String?
            let done: QueryResponse?
            let error: JSONValue?
        }
        let event = try JSONDecoder().decode(Event.self, from: Data(data.utf8))
        if let error = event.error { throw UpstreamError(service: service, message: error["message"]?.stringValue ?? data) }
        if let done = event.done { return .done(done) }
        if let sources = event.sources { return .sources(sources) }
        return event.delta.map(QueryEvent.delta)
    }
}
