import Foundation

/// Reads the little-endian values of a GGUF head and never past the end.
struct GGUFReader {
    enum Value {
        case text(String), number(UInt64)
        /// How many elements a list has, and its numbers when they are few enough to be one for each layer.
        case list(count: Int, numbers: [UInt64])
        case other
    }

    /// Numbers of a list that are kept: models have fewer layers than this.
    static let keptNumbers = 1 << 12

    let bytes: [UInt8]
    var position = 0

    mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw DamagedModel(description: "it is cut off within its head") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func uint32() throws -> UInt32 { try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }

    mutating func uint64() throws -> UInt64 {
        let bytes = try take(8)
        return bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    mutating func count(atMost limit: UInt64, what: String) throws -> Int {
        let count = try uint64()
        guard count <= limit else { throw DamagedModel(description: "it claims \(count) \(what)") }
        return Int(count)
    }

    mutating func string() throws -> String { String(decoding: try take(stringLength()), as: UTF8.self) }

    private mutating func skipString() throws { _ = try take(stringLength()) }

    private mutating func stringLength() throws -> Int {
        let length = try uint64()
        guard length <= 1 << 24 else { throw DamagedModel(description: "it claims a text of \(length) bytes") }
        return Int(length)
    }

    /// Bytes of the numbers, by GGUF's type number.
    private static let sizes: [UInt32: Int] = [0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8]

    mutating func value(_ type: UInt32, depth: Int = 0) throws -> Value {
        switch type {
        case 0, 1, 7: return .number(UInt64(try take(1).first ?? 0))
        case 2, 3: return .number(try take(2).reversed().reduce(0) { $0 << 8 | UInt64($1) })
        case 4, 5: return .number(UInt64(try uint32()))
        case 6: _ = try take(4)
        case 8: return .text(try string())
        case 10, 11: return .number(try uint64())
        case 12: _ = try take(8)
        case 9:
            guard depth < 2 else { throw DamagedModel(description: "its arrays are nested too deeply") }
            let element = try uint32()
            let count = try count(atMost: 1 << 24, what: "array elements")
            var numbers: [UInt64] = []
            // Vocabularies are long, and only their length is of use here.
            if element == 8 {
                for _ in 0..<count { try skipString() }
                return .list(count: count, numbers: [])
            }
            if count > Self.keptNumbers, let size = Self.sizes[element] {
                _ = try take(count * size)
                return .list(count: count, numbers: [])
            }
            for _ in 0..<count {
                if case .number(let number) = try value(element, depth: depth + 1), count <= Self.keptNumbers { numbers.append(number) }
            }
            return .list(count: count, numbers: numbers)
        default: throw DamagedModel(description: "it has a value of unknown type \(type)")
        }
        return .other
    }
}

/// The metadata of a GGUF file, by key. Numbers that memory is reckoned from are held to bounds, so that no product of them overflows.
struct GGUFMetadata {
    private(set) var texts: [String: String] = [:]
    private(set) var numbers: [String: UInt64] = [:]
    private(set) var counts: [String: Int] = [:]
    private var lists: [String: [UInt64]] = [:]

    init(_ reader: inout GGUFReader) throws {
        for _ in 0..<(try reader.count(atMost: 1 << 16, what: "metadata entries")) {
            let key = try reader.string()
            let type = try reader.uint32()
            switch try reader.value(type) {
            case .text(let text): texts[key] = text
            case .number(let number): numbers[key] = number
            case .list(let count, let numbers):
                counts[key] = count
                lists[key] = numbers
            case .other: break
            }
        }
    }

    /// - Throws: ``DamagedModel`` when the number is larger than any model's.
    func number(_ key: String, atMost limit: UInt64) throws -> Int? { try numbers[key].map { try Self.bounded($0, limit, key) } }

    /// Numbers that stand for all layers alike, or in a list for each.
    func list(_ key: String, atMost limit: UInt64) throws -> [Int] {
        try (numbers[key].map { [$0] } ?? lists[key] ?? []).map { try Self.bounded($0, limit, key) }
    }

    /// Bytes of keys and values a token leaves in each layer: two for every number of every head that has its own.
    func cacheBytes(_ own: String, layers: Int, width: Int) throws -> [Int64] {
        let heads = try list(own + "attention.head_count", atMost: 1 << 12)
        let cached = try list(own + "attention.head_count_kv", atMost: 1 << 12)
        let length = heads.max().flatMap { $0 > 0 ? width / $0 : nil } ?? width
        let key = try number(own + "attention.key_length", atMost: 1 << 14) ?? length
        let value = try number(own + "attention.value_length", atMost: 1 << 14) ?? length
        // Models without heads of keys of their own keep one for each head.
        let source = cached.isEmpty ? heads.isEmpty ? [1] : heads : cached
        return (0..<layers).map { layer in Int64(2 * (source.count > layer ? source[layer] : source.last ?? 1)) * Int64(key + value) }
    }

    private static func bounded(_ number: UInt64, _ limit: UInt64, _ key: String) throws -> Int {
        guard number <= limit else { throw DamagedModel(description: "its \(key) is \(number)") }
        return Int(number)
    }
}

/// One tensor as the head describes it.
struct GGUFTensor {
    let name: String
    let type: UInt32
    /// From the start of all data.
    let offset: UInt64
    /// Where its data ends; for types this reader does not know, where it begins: they are left to the engine.
    let end: UInt64

    init(_ reader: inout GGUFReader, alignment: UInt64) throws {
        let name = try reader.string()
        let dimensions = try reader.uint32()
        guard (1...4).contains(dimensions) else { throw DamagedModel(description: "tensor “\(name)” has \(dimensions) dimensions") }
        var elements: UInt64 = 1
        for _ in 0..<dimensions {
            let (product, overflow) = elements.multipliedReportingOverflow(by: try reader.uint64())
            guard !overflow, product <= 1 << 44 else { throw DamagedModel(description: "tensor “\(name)” is impossibly large") }
            elements = product
        }
        type = try reader.uint32()
        offset = try reader.uint64()
        guard offset % alignment == 0, offset <= 1 << 50 else { throw DamagedModel(description: "tensor “\(name)” lies at \(offset)") }
        let (block, bytes) = Self.blockSizes[type] ?? (1, 0)
        end = offset + elements / block * bytes
        self.name = name
    }

    /// The layer it belongs to, by its name; `nil` for those before the first and after the last.
    var layer: Int? { name.hasPrefix("blk.") ? Int(name.dropFirst(4).prefix { $0 != "." }) : nil }

    /// Whether it turns tokens into numbers, which the engine does on the CPU.
    var isInput: Bool { ["token_embd", "position_embd", "token_types", "per_layer_token_embd"].contains { name.hasPrefix($0) } }

    /// Whether llama.cpp lays it out anew for the CPU: a copy of the process's own, not the file's pages.
    var isRepacked: Bool { [2, 10, 12, 20].contains(type) }

    /// Elements and bytes of a block, by ggml's type number.
    private static let blockSizes: [UInt32: (UInt64, UInt64)] = [
        0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110),
        12: (256, 144), 13: (256, 176), 14: (256, 210), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
    ]
}
