import Crypto
import Foundation
import ServiceKit

/// Arguments as they stand in the audit log. Contents and long texts are kept by size and hash, so that the log says which text it was
/// without holding it; what looks like a secret is left out. An approver sees the arguments in full, in the request for approval.
enum Redaction {
    /// Bytes of a text that is kept whole.
    static let longest = 1_024
    /// Arguments that carry what is written or filled in, not what is done: no log needs to hold that.
    private static let contents: Set<String> = ["content", "actions", "properties"]

    static func text(of value: JSONValue) -> String {
        var room = 65_536
        guard let data = try? JSONEncoder.sorted.encode(shortened(value, named: nil, depth: 0, &room)) else { return "{}" }
        return data.count <= 16_384 ? String(decoding: data, as: UTF8.self) : #"{"omitted_bytes":\#(data.count)}"#
    }

    /// - Parameter room: bytes of texts that are still looked through; also a refused call may bring millions of them.
    private static func shortened(_ value: JSONValue, named name: String?, depth: Int, _ room: inout Int) -> JSONValue {
        guard room > 0 else { return "…" }
        if let name, depth > 0, SecretText.isName(name), value != .null { return .string(SecretText.mask) }
        room -= 16 + min(value.stringValue?.utf8.count ?? 0, longest)
        switch value {
        case .string(let text) where text.utf8.count > longest || name.map(contents.contains) == true:
            return ["bytes": .integer(Int64(text.utf8.count)), "sha256": .string(SHA256.hash(data: Data(text.utf8)).hex)]
        case .string(let text): return .string(SecretText.masked(text))
        case .array(let items) where depth < 8:
            return .array(words(Array(items.prefix(256))).map { shortened($0, named: nil, depth: depth + 1, &room) })
        case .object(let members) where depth < 8:
            let first = members.sorted { $0.key < $1.key }.prefix(256)
            return .object(
                Dictionary(uniqueKeysWithValues: first.map { ($0, shortened($1, named: $0, depth: depth + 1, &room)) }))
        case .array, .object: return "…"
        default: return value
        }
    }

    /// The words of a command line, the one after an option such as `--password` left out.
    private static func words(_ items: [JSONValue]) -> [JSONValue] {
        items.indices.map { index in
            guard index > 0, let option = items[index - 1].stringValue, option.hasPrefix("-"), !option.contains("="),
                SecretText.isName(option)
            else { return items[index] }
            return .string(SecretText.mask)
        }
    }
}
