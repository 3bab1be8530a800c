import Foundation
import ServiceKit

// Wire types of Qdrant's REST API (https://api.qdrant.tech/api-reference), the part that this suite's own callers use. The whole
// surface that the store serves is in Vectors; it speaks to any Qdrant client.

/// The envelope of every answer.
public struct QdrantAnswer<Result: Codable & Sendable>: Codable, Sendable {
    public let result: Result
    public let status: String
    public let time: Double

    public init(_ result: Result, time: Double) {
        self.result = result
        status = "ok"
        self.time = time
    }
}

/// A point's id: an unsigned number or a UUID.
public enum PointID: Codable, Sendable, Hashable, CustomStringConvertible {
    case number(UInt64)
    case uuid(String)

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(UInt64.self) {
            self = .number(number)
        } else {
            let text = try container.decode(String.self)
            self = .uuid(Self.canonical(text) ?? text)
        }
    }

    /// A UUID in its one form, lower case with hyphens; `nil` for a text that is none. It may come in upper case, without hyphens and
    /// as a URN (https://qdrant.tech/documentation/concepts/points/#point-ids).
    public static func canonical(_ text: String) -> String? {
        var digits = text.lowercased()
        if digits.hasPrefix("urn:uuid:") { digits.removeFirst(9) }
        if digits.utf8.count == 32 {
            for place in [20, 16, 12, 8] { digits.insert("-", at: digits.index(digits.startIndex, offsetBy: place)) }
        }
        return UUID(uuidString: digits)?.uuidString.lowercased()
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let number): try container.encode(number)
        case .uuid(let text): try container.encode(text)
        }
    }

    public var description: String {
        switch self {
        case .number(let number): String(number)
        case .uuid(let text): text
        }
    }
}

/// A point as it is written, with a single unnamed vector.
public struct PointRecord: Codable, Sendable {
    public let id: PointID
    @JSONFloats public private(set) var vector: [Float]
    public let payload: [String: JSONValue]

    public init(id: PointID, vector: [Float], payload: [String: JSONValue]) {
        self.id = id
        self.vector = vector
        self.payload = payload
    }
}

/// A point that a search found.
public struct ScoredPoint: Codable, Sendable {
    public let id: PointID
    public let score: Float
    public let payload: [String: JSONValue]?
}
