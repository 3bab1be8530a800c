import Crypto
import Foundation
import ServiceKit

/// The name of a project, whose memory is a folder and a file of this name: what could mean another place is no name.
public struct ProjectID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let text: String

    /// What the names of users' own projects begin with.
    private static let ofUsers = "user-"

    /// - Throws: 422 for anything but 1 to 64 letters of ASCII, digits, dots, dashes and underscores, the first a letter or digit; after
    ///   `user-`, which begins the name of a user's own project, there may be 64.
    public init(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard (1...64 + (text.hasPrefix(Self.ofUsers) ? Self.ofUsers.utf8.count : 0)).contains(bytes.count), Self.isAlphanumeric(bytes[0]),
            bytes.allSatisfy({ Self.isAlphanumeric($0) || "-_.".utf8.contains($0) })
        else {
            throw ServiceError.invalid(
                "A project's id has 1 to 64 letters (a to z), digits, dots, dashes and underscores, and begins with a letter or digit.",
                parameter: "project_id")
        }
        self.text = text
    }

    /// The project that a user has without asking for one.
    public init(of user: String) throws { try self.init(Self.ofUsers + user) }

    /// Whose the project is by its name; `nil` for one that is whoever's uses it first. Nobody can take another's name before him.
    public var user: String? { text.hasPrefix(Self.ofUsers) ? String(text.dropFirst(Self.ofUsers.count)) : nil }

    /// The project in metrics, which more people read than may know of it: the first eight hex digits of its id's SHA-256.
    var pseudonym: String { String(SHA256.hash(data: Data(text.utf8)).hex.prefix(8)) }

    public init(from decoder: any Decoder) throws { try self.init(decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    public var description: String { text }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }
}
