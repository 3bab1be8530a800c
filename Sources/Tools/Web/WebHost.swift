import Foundation

/// The host of an address, read as browsers read it (WHATWG URL, 3.5 “Host parsing”), so that all spellings of one host are one value.
enum WebHost: Hashable, Sendable, CustomStringConvertible {
    case address(IPAddress)
    /// A name in ASCII, small letters, without the dot at its end.
    case name(String)

    /// - Returns: `nil` for what is no host.
    init?(_ text: String) {
        if text.hasPrefix("[") {
            guard text.hasSuffix("]"), let address = IPAddress(v6: String(text.dropFirst().dropLast())) else { return nil }
            self = .address(address)
            return
        }
        guard let decoded = text.removingPercentEncoding, let name = Self.ascii(decoded), !name.isEmpty, name.utf8.count <= 253 else {
            return nil
        }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy({ (1...63).contains($0.utf8.count) }) else { return nil }
        guard let last = labels.last, Self.isNumber(last) else {
            self = .name(name)
            return
        }
        guard let address = Self.v4(labels) else { return nil }
        self = .address(.v4(address))
    }

    /// As it stands in a URL.
    var description: String {
        switch self {
        case .address(.v4(let bits)): IPAddress.v4(bits).description
        case .address(.v6(let bits)): "[\(IPAddress.v6(bits))]"
        case .name(let name): name
        }
    }

    /// A name in ASCII (UTS #46): compatible forms made one, dots of every script made dots, other scripts in Punycode.
    private static func ascii(_ text: String) -> String? {
        guard !text.unicodeScalars.contains(where: \.properties.isDefaultIgnorableCodePoint) else { return nil }
        let folded = text.precomposedStringWithCompatibilityMapping.lowercased().precomposedStringWithCompatibilityMapping
        var name = String(folded.map { "。．｡".contains($0) ? "." : $0 })
        if name.hasSuffix(".") { name.removeLast() }
        guard !name.unicodeScalars.contains(where: isForbidden) else { return nil }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let encoded = labels.map {
            $0.utf8.allSatisfy { $0 < 0x80 } ? String($0) : "xn--" + Punycode.encoded($0.unicodeScalars.map(\.value))
        }
        return encoded.joined(separator: ".")
    }

    /// A forbidden domain code point.
    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value <= 0x20 || scalar.value == 0x7F || "#/:<>?@[\\]^|%".unicodeScalars.contains(scalar)
            || [.lineSeparator, .paragraphSeparator, .spaceSeparator, .control].contains(scalar.properties.generalCategory)
    }

    /// Whether a name that ends with this label is an IPv4 address, or nothing.
    private static func isNumber(_ label: Substring) -> Bool {
        label.utf8.allSatisfy { (0x30...0x39).contains($0) } || number(label) != nil
    }

    /// “The IPv4 parser”: up to four numbers, decimal, octal or hexadecimal, the last of which fills what is left.
    private static func v4(_ parts: [Substring]) -> UInt32? {
        guard parts.count <= 4 else { return nil }
        let numbers = parts.compactMap(number)
        guard numbers.count == parts.count, let last = numbers.last, numbers.dropLast().allSatisfy({ $0 <= 255 }),
            last < 1 << UInt64(8 * (5 - numbers.count))
        else { return nil }
        let bits = numbers.dropLast().enumerated().reduce(last) { $0 + $1.element << UInt64(8 * (3 - $1.offset)) }
        return UInt32(exactly: bits)
    }

    /// “The IPv4 number parser”. What is past any address counts as a number too, one that fits nowhere.
    private static func number(_ part: Substring) -> UInt64? {
        var digits = part
        var radix = 10
        if part.hasPrefix("0x") {
            digits = part.dropFirst(2)
            radix = 16
        } else if part.count > 1, part.hasPrefix("0") {
            digits = part.dropFirst()
            radix = 8
        }
        if digits.isEmpty { return part.isEmpty ? nil : 0 }
        guard digits.allSatisfy({ $0.isASCII && $0.hexDigitValue.map { $0 < radix } ?? false }) else { return nil }
        return UInt64(digits, radix: radix) ?? .max
    }
}
