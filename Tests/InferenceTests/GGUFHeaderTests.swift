import Foundation
import Testing

@testable import Inference

@Suite("GGUF files")
struct GGUFHeaderTests {
    /// A small whole file: one F32 tensor of 8 elements.
    static func file() -> Data {
        var data = Data("GGUF".utf8)
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) } }
        func append(_ text: String) {
            append(UInt64(text.utf8.count))
            data.append(contentsOf: text.utf8)
        }
        append(UInt32(3))
        append(UInt64(1))
        append(UInt64(2))
        append("general.architecture")
        append(UInt32(8))
        append("llama")
        append("llama.context_length")
        append(UInt32(4))
        append(UInt32(2048))
        append("w")
        append(UInt32(1))
        append(UInt64(8))
        append(UInt32(0))
        append(UInt64(0))
        while data.count % 32 != 0 { data.append(0) }
        data.append(Data(count: 32))
        return data
    }

    @Test("A whole file is read")
    func whole() throws {
        let data = Self.file()
        let header = try GGUFHeader(head: data, fileSize: Int64(data.count))
        #expect(header.architecture == "llama")
        #expect(header.contextLength == 2048)
        #expect(header.requiredSize == Int64(data.count))
    }

    @Test("A file cut off anywhere is refused")
    func truncated() {
        let data = Self.file()
        for length in 0..<data.count {
            #expect(throws: DamagedModel.self) { try GGUFHeader(head: data.prefix(length), fileSize: Int64(length)) }
        }
    }

    @Test("No flipped byte makes the reader crash or read without end")
    func flipped() {
        let data = Self.file()
        for position in data.indices {
            for bit in 0..<8 {
                var broken = data
                broken[position] ^= 1 << bit
                _ = try? GGUFHeader(head: broken, fileSize: Int64(broken.count))
            }
        }
    }
}
