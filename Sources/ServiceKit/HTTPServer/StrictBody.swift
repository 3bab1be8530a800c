import Foundation
import Hummingbird
import NIOCore
import NIOFoundationCompat

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
        // What could be decoded is well formed. Of what could not be, the first reason is told.
        let body = try? JSONDecoder().decode(type, from: bytes)
        let members = try JSONMembers(bytes.readableBytesView, isWellFormed: body != nil)
        if let unknown = members.names.first(where: { !known.contains($0) }) {
            throw ServiceError.invalid(
                "There is no field “\(unknown.prefix(100))” here; there are: \(known.joined(separator: ", ")).",
                parameter: String(unknown.prefix(100)))
        }
        if let body { return body }
        do {
            return try Self.decode(type, from: bytes)
        } catch let error as ServiceError where error.code == "invalid_json" {
            // It is JSON, as was seen above: what is wrong is a number, such as 1.5 where a whole one belongs.
            throw ServiceError.invalid(
                "A number in the body is not of the kind that its field takes, such as a fraction where a whole one belongs.")
        }
    }
}

extension CallContext {
    /// A part of the path as it was meant.
    public func part(_ name: String) throws -> String {
        let raw = try parameters.require(name)
        return raw.removingPercentEncoding ?? raw
    }
}
