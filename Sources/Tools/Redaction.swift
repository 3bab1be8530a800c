import Crypto
import Foundation
import ServiceKit

/// Arguments as they stand in the audit log: long texts by size and hash, so that the log says which text it was without holding it.
enum Redaction {
    /// Bytes of a text that is kept whole.
    static let longest = 1_024

    static func text(of value: JSONValue) -> String {
        guard let data = try? JSONEncoder.sorted.encode(shortened(value, depth: 0)) else { return "{}" }
        return data.count <= 16_384 ? String(decoding: data, as: UTF8.self) : #"{"omitted_bytes":\#(data.count)}"#
    }

    private static func shortened(_ value: JSONValue, depth: Int) -> JSONValue {
        switch value {
        case .string(let text) where text.utf8.count > longest:
            ["bytes": .integer(Int64(text.utf8.count)), "sha256": .string(SHA256.hash(data: Data(text.utf8)).hex)]
        case .array(let items) where depth < 8: .array(items.prefix(256).map { shortened($0, depth: depth + 1) })
        case .object(let members) where depth < 8: .object(members.mapValues { shortened($0, depth: depth + 1) })
        case .array, .object: "…"
        default: value
        }
    }
}
