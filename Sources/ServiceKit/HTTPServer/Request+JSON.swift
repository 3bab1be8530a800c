import Foundation
import Hummingbird
import NIOCore
import NIOFoundationCompat
import NIOHTTP1

extension Request {
    /// Reads the whole body.
    ///
    /// - Throws: 413 when it is larger than `MAX_BODY_BYTES`, 400 when it does not come whole.
    public func bytes(_ context: CallContext) async throws -> ByteBuffer {
        var request = self
        return try await request.collected(context)
    }

    /// The body, taken off the connection: only then can the connection be watched for its end.
    ///
    /// - Throws: as ``bytes(_:)`` does.
    public mutating func collected(_ context: CallContext) async throws -> ByteBuffer {
        do {
            return try await collectBody(upTo: context.maxUploadSize)
        } catch is NIOTooManyBytesError {
            throw ServiceError.tooLarge("The request body is larger than the \(context.maxUploadSize) bytes that MAX_BODY_BYTES allows.")
        } catch let error as HTTPParserError {
            throw LastOnConnection(
                cause: ServiceError.badRequest("The request's body cannot be read to its end: \(error)", code: "incomplete_body"))
        }
    }

    /// Reads the body as JSON.
    ///
    /// - Throws: 413 when it is too large, 400 when it is not JSON, 422 when a field is missing or of the wrong type, naming it.
    public func decode<Body: Decodable>(_ type: Body.Type, _ context: CallContext) async throws -> Body {
        try Self.decode(type, from: try await bytes(context))
    }

    /// Decodes bytes that were read before, with the errors of ``decode(_:_:)``.
    public static func decode<Body: Decodable>(_ type: Body.Type, from bytes: ByteBuffer) throws -> Body {
        do {
            return try JSONDecoder().decode(type, from: bytes)
        } catch let error as DecodingError {
            throw error.asServiceError
        }
    }

    /// A query parameter as a whole number within bounds.
    ///
    /// - Throws: 422 naming the parameter.
    public func queryInteger(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = uri.queryParameters[Substring(name)] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ServiceError.invalid("\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).", parameter: name)
        }
        return value
    }
}

extension DecodingError {
    /// The error as a client can use it: which field, and what was expected there.
    public var asServiceError: ServiceError {
        switch self {
        case .keyNotFound(let key, let context):
            let path = Self.path(context.codingPath + [key])
            return .invalid("The field “\(path)” is missing.", parameter: path)
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            let path = Self.path(context.codingPath)
            return .invalid(
                path.isEmpty ? "The body must be a JSON object." : "The field “\(path)” has the wrong type. \(context.debugDescription)",
                parameter: path)
        case .dataCorrupted(let context) where context.codingPath.isEmpty:
            return .badRequest("The body is not valid JSON.", code: "invalid_json")
        case .dataCorrupted(let context):
            let path = Self.path(context.codingPath)
            return .invalid("The field “\(path)” is not acceptable: \(context.debugDescription)", parameter: path)
        @unknown default:
            return .badRequest("The body cannot be read.", code: "invalid_json")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".").replacing(".[", with: "[")
    }
}
