import Foundation
import Hummingbird
import NIOCore

/// A body all of whose fields are known. One that is passed over would be a change that somebody takes for made.
public protocol StrictBody: Decodable, Sendable {
    associatedtype CodingKeys: CodingKey & CaseIterable
}

extension Request {
    /// Reads the body; none at all is an object without fields.
    ///
    /// - Throws: 400 when it is not a JSON object or a field stands in it twice; 422 for a field that is not known, missing or of the wrong
    ///   type, naming it.
    public func strict<Body: StrictBody>(_ type: Body.Type, _ context: CallContext) async throws -> Body {
        var bytes = try await bytes(context)
        if bytes.readableBytes == 0 { bytes.writeString("{}") }
        let known = Body.CodingKeys.allCases.map(\.stringValue)
        if let unknown = try JSONMembers(bytes.readableBytesView).names.first(where: { !known.contains($0) }) {
            throw ServiceError.invalid(
                "There is no field “\(unknown.prefix(100))” here; there are: \(known.joined(separator: ", ")).",
                parameter: String(unknown.prefix(100)))
        }
        return try Self.decode(type, from: bytes)
    }
}

extension CallContext {
    /// A part of the path as it was meant.
    public func part(_ name: String) throws -> String {
        let raw = try parameters.require(name)
        return raw.removingPercentEncoding ?? raw
    }
}
