import Foundation

/// The members of a JSON object as they stand in its text: in their own order, each value in its own bytes.
///
/// For bodies that are passed on with a field more or less. Decoding and encoding them again would shuffle the members of everything
/// inside, and order matters to a model: it reads the tools it is given, and writes what a schema asks for, in the order in which they
/// stand; and a prompt that is shuffled anew with each request is never found in a prompt cache.
public struct JSONMembers: Sendable {
    /// Members of one object at the most; nobody who means something sends more.
    public static let limit = 1_000

    private var members: [(name: String, value: ArraySlice<UInt8>)] = []

    /// - Parameter isWellFormed: whether Foundation read the bytes as JSON before.
    /// - Throws: 400 when the bytes are not a JSON object in UTF-8, has more than ``limit`` members, or a name stands in it twice: then
    ///   readers would disagree about what it says.
    public init(_ bytes: some Sequence<UInt8>, isWellFormed: Bool = false) throws {
        let text = Array(bytes)
        // Foundation judges the syntax; the scanner below may then trust that brackets match and strings end.
        guard isWellFormed || (try? JSONDecoder().decode([String: Anything].self, from: Data(text))) != nil else { throw Self.refusal }
        var scanner = Scanner(text)
        guard scanner.take("{") else { throw Self.refusal }
        var seen: Set<String> = []
        while let name = try scanner.name() {
            guard seen.count < Self.limit else {
                throw ServiceError.badRequest("An object may have \(Self.limit) fields at the most.", code: "invalid_json")
            }
            guard seen.insert(name).inserted else {
                throw ServiceError.badRequest("The field “\(name)” stands twice.", code: "invalid_json", parameter: name)
            }
            members.append((name, scanner.value()))
            guard scanner.take(",") else { break }
        }
        guard scanner.take("}") else { throw Self.refusal }
    }

    /// The names, in order.
    public var names: [String] { members.map(\.name) }

    /// The text of a member's value.
    public subscript(name: String) -> String? {
        members.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// Keeps the members with these names alone.
    public mutating func keep(_ names: Set<String>) { members.removeAll { !names.contains($0.name) } }

    /// Takes a member out.
    public mutating func remove(_ name: String) { members.removeAll { $0.name == name } }

    /// Gives a member a value, in its place if it has one.
    ///
    /// - Parameter json: the value as JSON.
    public mutating func set(_ name: String, to json: String) {
        if let index = members.firstIndex(where: { $0.name == name }) {
            members[index].value = ArraySlice(json.utf8)
        } else {
            members.append((name, ArraySlice(json.utf8)))
        }
    }

    /// The object as JSON.
    ///
    /// - Throws: never for names that came out of JSON.
    public func json() throws -> Data {
        var data = Data("{".utf8)
        for (index, member) in members.enumerated() {
            if index > 0 { data.append(UInt8(ascii: ",")) }
            data.append(try JSONEncoder.wire.encode(member.name))
            data.append(UInt8(ascii: ":"))
            data.append(contentsOf: member.value)
        }
        data.append(UInt8(ascii: "}"))
        return data
    }

    fileprivate static let refusal = ServiceError.badRequest("The body must be a JSON object in UTF-8.", code: "invalid_json")

    /// A value nobody looks at.
    fileprivate struct Anything: Decodable {
        init(from decoder: any Decoder) {}
    }

    /// Walks over the text of an object that is known to be well formed.
    fileprivate struct Scanner {
        private let text: [UInt8]
        private var position = 0

        init(_ text: [UInt8]) { self.text = text }

        private var next: UInt8? { position < text.count ? text[position] : nil }

        /// Steps over a character and the blanks around it, if it comes next.
        mutating func take(_ character: Unicode.Scalar) -> Bool {
            skipBlanks()
            guard next == UInt8(ascii: character) else { return false }
            position += 1
            skipBlanks()
            return true
        }

        /// A member's name and the colon after it; `nil` where no name comes.
        mutating func name() throws -> String? {
            guard next == UInt8(ascii: "\"") else { return nil }
            let start = position
            skipString()
            let written = text[start..<position]
            // Names may be written with escapes; what they mean is what counts.
            let name =
                written.contains(UInt8(ascii: "\\"))
                ? try? JSONDecoder().decode(String.self, from: Data(written))
                : String(validating: written.dropFirst().dropLast(), as: UTF8.self)
            guard let name, take(":") else { throw JSONMembers.refusal }
            return name
        }

        /// The bytes up to the comma or bracket that ends the member.
        mutating func value() -> ArraySlice<UInt8> {
            let start = position
            var depth = 0
            while let byte = next {
                switch byte {
                case UInt8(ascii: "\""):
                    skipString()
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return text[start..<position] }
                    if byte != UInt8(ascii: ",") { depth -= 1 }
                default: break
                }
                position += 1
            }
            return text[start..<position]
        }

        private mutating func skipString() {
            position += 1
            while let byte = next, byte != UInt8(ascii: "\"") { position += byte == UInt8(ascii: "\\") ? 2 : 1 }
            position += 1
        }

        private mutating func skipBlanks() {
            while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
        }
    }
}

/// The elements of a JSON array as they stand in its text, each in its own bytes: the counterpart of ``JSONMembers``.
public struct JSONElements: Sendable {
    /// Each element as JSON.
    public var elements: [String] = []

    /// - Throws: 400 when the text is not a JSON array.
    public init(_ json: String) throws {
        let text = Array(json.utf8)
        let refusal = ServiceError.badRequest("This must be a JSON array.", code: "invalid_json")
        guard (try? JSONDecoder().decode([JSONMembers.Anything].self, from: Data(text))) != nil else { throw refusal }
        var scanner = JSONMembers.Scanner(text)
        guard scanner.take("["), !scanner.take("]") else { return }
        repeat {
            let value = scanner.value()
            // Foundation lets a comma stand before the bracket, and nobody else does.
            guard !value.isEmpty else { throw refusal }
            elements.append(String(decoding: value, as: UTF8.self))
        } while scanner.take(",")
    }

    /// The array as JSON.
    public var json: String { "[" + elements.joined(separator: ",") + "]" }
}
