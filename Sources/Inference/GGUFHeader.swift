import Foundation
import SystemPackage

/// A file that is no usable GGUF, and why.
public struct DamagedModel: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// What a GGUF file says of itself, read with every count and length checked against the bytes that are there.
///
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
public struct GGUFHeader: Sendable, Equatable {
    public let architecture: String
    public let name: String?
    /// Tokens the model was trained to read.
    public let contextLength: Int?
    public let embeddingLength: Int?
    public let blockCount: Int?
    public let hasChatTemplate: Bool
    public let tensorCount: Int
    /// Bytes the file must have for all its tensors.
    public let requiredSize: Int64

    /// Reads and checks a file. Only the head is read, some megabytes at the most.
    ///
    /// - Throws: ``DamagedModel`` when it is not a GGUF, is cut off, or contradicts itself; the file system's error when it cannot be read.
    public init(path: FilePath) throws {
        let handle = try FileHandle(forReadingFrom: URL(filePath: path.string))
        defer { try? handle.close() }
        let size = Int64(try handle.seekToEnd())
        try handle.seek(toOffset: 0)
        // Vocabularies of 250,000 tokens make heads of some ten megabytes.
        let head = try handle.read(upToCount: 64 << 20) ?? Data()
        try self.init(head: head, fileSize: size)
    }

    /// Reads a head that is in memory.
    ///
    /// - Parameter fileSize: of the whole file, in bytes.
    public init(head: Data, fileSize: Int64) throws {
        var reader = Reader(bytes: [UInt8](head))
        guard try reader.take(4).elementsEqual("GGUF".utf8) else { throw DamagedModel(description: "it does not begin with “GGUF”") }
        let version = try reader.uint32()
        guard (2...3).contains(version) else { throw DamagedModel(description: "its format version is \(version); 2 and 3 are known") }
        let tensors = try reader.count(atMost: 1 << 20, what: "tensors")
        let pairs = try reader.count(atMost: 1 << 16, what: "metadata entries")
        var texts: [String: String] = [:]
        var numbers: [String: UInt64] = [:]
        for _ in 0..<pairs {
            let key = try reader.string()
            let type = try reader.uint32()
            switch try reader.value(type) {
            case .text(let text): texts[key] = text
            case .number(let number): numbers[key] = number
            case .other: break
            }
        }
        let architecture = texts["general.architecture"] ?? ""
        guard !architecture.isEmpty else { throw DamagedModel(description: "it names no architecture") }
        let alignment = numbers["general.alignment"] ?? 32
        guard alignment > 0, alignment <= 1 << 16, alignment & (alignment - 1) == 0 else {
            throw DamagedModel(description: "its alignment is \(alignment)")
        }
        var end: UInt64 = 0
        for _ in 0..<tensors { end = max(end, try Self.tensorEnd(&reader, alignment: alignment)) }
        let start = (UInt64(reader.position) + alignment - 1) / alignment * alignment
        let (required, overflow) = start.addingReportingOverflow(end)
        guard !overflow, required <= UInt64(Int64.max) else { throw DamagedModel(description: "its tensors overflow") }
        guard fileSize >= Int64(required) else {
            throw DamagedModel(description: "it is cut off: \(fileSize) bytes of \(required)")
        }
        self.architecture = architecture
        name = texts["general.name"]
        contextLength = numbers[architecture + ".context_length"].flatMap { Int(exactly: $0) }
        embeddingLength = numbers[architecture + ".embedding_length"].flatMap { Int(exactly: $0) }
        blockCount = numbers[architecture + ".block_count"].flatMap { Int(exactly: $0) }
        hasChatTemplate = texts["tokenizer.chat_template"] != nil
        tensorCount = tensors
        requiredSize = Int64(required)
    }

    /// Where a tensor's data ends, counted from the start of all data.
    private static func tensorEnd(_ reader: inout Reader, alignment: UInt64) throws -> UInt64 {
        let name = try reader.string()
        let dimensions = try reader.uint32()
        guard (1...4).contains(dimensions) else { throw DamagedModel(description: "tensor “\(name)” has \(dimensions) dimensions") }
        var elements: UInt64 = 1
        for _ in 0..<dimensions {
            let (product, overflow) = elements.multipliedReportingOverflow(by: try reader.uint64())
            guard !overflow, product <= 1 << 44 else { throw DamagedModel(description: "tensor “\(name)” is impossibly large") }
            elements = product
        }
        let type = try reader.uint32()
        let offset = try reader.uint64()
        guard offset % alignment == 0, offset <= 1 << 50 else { throw DamagedModel(description: "tensor “\(name)” lies at \(offset)") }
        // Types this reader does not know are left to the engine; their data is at least not before its own start.
        guard let (block, bytes) = blockSizes[type] else { return offset }
        return offset + elements / block * bytes
    }

    /// Elements and bytes of a block, by ggml's type number.
    private static let blockSizes: [UInt32: (UInt64, UInt64)] = [
        0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110),
        12: (256, 144),
        13: (256, 176), 14: (256, 210), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
    ]

    /// Reads little-endian values and never past the end.
    private struct Reader {
        enum Value {
            case text(String), number(UInt64), other
        }
        let bytes: [UInt8]
        var position = 0

        mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count >= 0, count <= bytes.count - position else { throw DamagedModel(description: "it is cut off within its head") }
            defer { position += count }
            return bytes[position..<position + count]
        }

        mutating func uint32() throws -> UInt32 { try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }

        mutating func uint64() throws -> UInt64 { try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }

        mutating func count(atMost limit: UInt64, what: String) throws -> Int {
            let count = try uint64()
            guard count <= limit else { throw DamagedModel(description: "it claims \(count) \(what)") }
            return Int(count)
        }

        mutating func string() throws -> String {
            let length = try uint64()
            guard length <= 1 << 24 else { throw DamagedModel(description: "it claims a text of \(length) bytes") }
            return String(decoding: try take(Int(length)), as: UTF8.self)
        }

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
                for _ in 0..<count { _ = try value(element, depth: depth + 1) }
            default: throw DamagedModel(description: "it has a value of unknown type \(type)")
            }
            return .other
        }
    }
}
