import AsyncHTTPClient
import Foundation
import NIOHTTP1
import ServiceKit

/// Calls the tools of the tool server.
public struct ToolClient: Sendable {
    /// What a call came to, as the server told it.
    public struct Answer: Sendable {
        public let status: Int
        public let body: JSONValue

        /// The result object of a call that was done.
        public var result: JSONValue? { body["success"]?.boolValue == true ? body["result"] : nil }
        /// The request that somebody has to decide before the call may run.
        public var approvalID: String? { body["approval_required"]?.boolValue == true ? body["request_id"]?.stringValue : nil }
    }

    /// What is told while a call runs.
    public enum Event: Sendable {
        case progress(share: Double, message: String)
        case answer(Answer)
    }

    private let client: ServiceClient

    public init(_ client: ServiceClient) { self.client = client }

    /// The tools that the caller may call.
    public func list() async throws -> [JSONValue] {
        let listing: JSONValue = try await client.send(.GET, "/tools")
        return listing["tools"]?.arrayValue ?? []
    }

    /// How sensitive a tool is, and what bounds it.
    public func info(_ tool: String) async throws -> JSONValue { try await client.send(.GET, "/tool-info/\(Self.escaped(tool))") }

    /// Calls a tool and tells how far it is.
    ///
    /// - Parameter approvalID: the approval that this very call was given.
    /// - Throws: ``UpstreamError`` when the server does not answer. A call that was refused or failed is an answer.
    public func call(_ tool: String, arguments: JSONValue, approvalID: String? = nil) async throws -> AsyncThrowingStream<Event, any Error>
    {
        var body: [String: JSONValue] = ["arguments": arguments]
        if let approvalID { body["approval_id"] = .string(approvalID) }
        let response = try await client.stream(
            .POST, "/tools/\(Self.escaped(tool))/call", body: JSONValue.object(body), accepting: "text/event-stream")
        let events = response.body.sseData
        let service = client.name
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    for try await data in events { continuation.yield(try Self.event(data, service: service)) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private static func event(_ data: String, service: String) throws -> Event {
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(data.utf8))
        if let progress = value["progress"] {
            return .progress(share: progress["share"]?.doubleValue ?? 0, message: progress["message"]?.stringValue ?? "")
        }
        guard let answer = value["answer"], let status = answer["status"]?.intValue, let body = answer["body"] else {
            throw UpstreamError(service: service, status: 200, message: "an event of its answer cannot be read: \(data.prefix(200))")
        }
        return .answer(Answer(status: status, body: body))
    }

    private static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-_."))) ?? name
    }
}
