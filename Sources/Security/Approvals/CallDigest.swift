import Crypto
import Foundation
import ServiceKit

/// What an approval is bound to: the exact arguments of one tool, as text that is the same for the same arguments, and its SHA-256.
public struct CallDigest: Sendable, Equatable {
    /// The arguments with their members in order.
    public let arguments: String
    /// In lower-case hex.
    public let digest: String

    /// - Throws: when the arguments cannot be written as JSON (a number that is not finite).
    public init(tool: String, arguments: JSONValue) throws {
        let bytes = try JSONEncoder.sorted.encode(arguments)
        self.arguments = String(decoding: bytes, as: UTF8.self)
        // No tool's name holds a line feed, so the two parts cannot run into each other.
        digest = SHA256.hash(data: Data(tool.utf8) + Data("\n".utf8) + bytes).hex
    }
}
