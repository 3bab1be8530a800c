import Foundation
import Hummingbird
import ServiceKit
import SuiteAPI

/// Answers in Qdrant's envelope, with the time the work took.
enum QdrantReply {
    static func of<Result: Codable & Sendable>(_ work: () async throws -> Result) async throws -> Response {
        let start = ContinuousClock.now
        let result = try await work()
        return .json(QdrantAnswer(result, time: start.duration(to: .now).seconds))
    }

    /// What Qdrant answers to a change that is done.
    static func updated(_ work: () async throws -> Void) async throws -> Response {
        try await of {
            try await work()
            return ["operation_id": 0, "status": "completed"] as JSONValue
        }
    }
}
