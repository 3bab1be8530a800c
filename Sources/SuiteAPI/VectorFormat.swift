import Foundation

/// How vectors stand in an answer: as numbers, or as base64 where the caller has said `Prefer: vectors=base64`
/// (https://www.rfc-editor.org/rfc/rfc7240), which others than this suite's services leave unheard.
public enum VectorFormat: Sendable {
    case numbers, base64

    /// The header by which vectors come as base64 from who can give them so. Either is read by ``JSONVector``.
    static let preference = ("Prefer", "vectors=base64")

    /// - Parameter preferences: the request's `Prefer`.
    public init(_ preferences: String?) {
        let isPreferred = preferences?.split(separator: ",").contains { $0.trimmingCharacters(in: .whitespaces) == Self.preference.1 }
        self = isPreferred == true ? .base64 : .numbers
    }

    public func of(_ vector: [Float]) -> JSONVector { self == .base64 ? .base64(vector) : .numbers(vector) }
}
