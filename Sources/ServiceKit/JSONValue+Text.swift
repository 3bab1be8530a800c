import Foundation

extension JSONValue {
    /// The value as JSON, compact; members in no order. Every answer waits for this, and Foundation's encoder asks of every value anew what it
    /// is.
    ///
    /// - Throws: `EncodingError` for a number that is not finite, which JSON has no word for (RFC 8259, section 6).
    public func json() throws -> Data {
        var text: [UInt8] = []
        try write(to: &text)
        return Data(text)
    }

    private func write(to text: inout [UInt8]) throws {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += (value ? "true" : "false").utf8
        case .integer(let value): text += value.description.utf8
        case .unsigned(let value): text += value.description.utf8
        case .number(let value):
            guard value.isFinite else {
                throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "\(value) is no number in JSON."))
            }
            // A whole one without its point, as Foundation writes it.
            let digits = value.description
            text += digits.hasSuffix(".0") ? digits.dropLast(2).utf8 : digits[...].utf8
        case .string(let value): Self.write(value, to: &text)
        case .array(let elements):
            text.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                try element.write(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                Self.write(member.key, to: &text)
                text.append(UInt8(ascii: ":"))
                try member.value.write(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    /// A string between quotation marks, with escapes for those, for the backslash and for control characters (RFC 8259, section 7).
    private static func write(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { bytes in
            var written = bytes.startIndex
            for (index, byte) in bytes.enumerated() where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                text += bytes[written..<index]
                text += escaped(byte).utf8
                written = index + 1
            }
            text += bytes[written...]
        }
        text.append(UInt8(ascii: "\""))
    }

    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "\""): "\\\""
        case UInt8(ascii: "\\"): "\\\\"
        case 0x08: "\\b"
        case 0x09: "\\t"
        case 0x0A: "\\n"
        case 0x0C: "\\f"
        case 0x0D: "\\r"
        default: "\\u00" + [byte].hex
        }
    }
}
