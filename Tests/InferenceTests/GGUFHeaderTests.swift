import Foundation
import Testing

@testable import Inference

@Suite("GGUF files")
struct GGUFHeaderTests {
    enum Value {
        case text(String), number(UInt32), numbers([UInt32]), flag(Bool), texts([String])
    }

    /// A small whole file of F32 tensors of 8 elements: as it is, one before the layers, one in the second, one after them.
    static func file(
        _ own: [(String, Value)] = [], tensors: [String] = ["token_embd.weight", "blk.1.ffn_up.weight", "output_norm.weight"]
    ) -> Data {
        var data = Data("GGUF".utf8)
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) } }
        func append(_ text: String) {
            append(UInt64(text.utf8.count))
            data.append(contentsOf: text.utf8)
        }
        let pairs = [("general.architecture", Value.text("llama")), ("llama.context_length", .number(2_048))] + own
        append(UInt32(3))
        append(UInt64(tensors.count))
        append(UInt64(pairs.count))
        for (key, value) in pairs {
            append(key)
            switch value {
            case .text(let text):
                append(UInt32(8))
                append(text)
            case .number(let number):
                append(UInt32(4))
                append(number)
            case .flag(let flag):
                append(UInt32(7))
                append(UInt8(flag ? 1 : 0))
            case .numbers(let numbers):
                append(UInt32(9))
                append(UInt32(4))
                append(UInt64(numbers.count))
                for number in numbers { append(number) }
            case .texts(let texts):
                append(UInt32(9))
                append(UInt32(8))
                append(UInt64(texts.count))
                for text in texts { append(text) }
            }
        }
        for (index, tensor) in tensors.enumerated() {
            append(tensor)
            append(UInt32(1))
            append(UInt64(8))
            append(UInt32(0))
            append(UInt64(32 * index))
        }
        while data.count % 32 != 0 { data.append(0) }
        data.append(Data(count: 32 * tensors.count))
        return data
    }

    private func header(_ own: [(String, Value)]) throws -> GGUFHeader {
        let data = Self.file(own)
        return try GGUFHeader(head: data, fileSize: Int64(data.count))
    }

    private static let model: [(String, Value)] = [
        ("llama.block_count", .number(2)), ("llama.embedding_length", .number(64)), ("llama.attention.head_count", .number(4)),
        ("llama.attention.head_count_kv", .number(2)), ("llama.feed_forward_length", .numbers([128, 256])),
        ("tokenizer.ggml.tokens", .texts(["a", "b", "c"])),
    ]

    @Test("What a model needs of memory is read: heads, layers, vocabulary, where the weights lie")
    func memory() throws {
        let header = try header(Self.model)
        // Keys and values: 2 heads of 64 / 4 numbers of 2 bytes each.
        #expect(header.cacheBytesPerToken == [128, 128])
        #expect(header.vocabulary == 3 && header.feedForwardLength == 256 && header.isCausal)
        // Without an output matrix of its own the input's serves.
        #expect(header.weights == .init(input: 32, layers: [0, 32], output: 32, tied: 32, repacked: 0))
        #expect(header.weights.total == 96)
    }

    @Test("Heads may differ by layer, and keys and values in length; encoders keep nothing")
    func heads() throws {
        let own = Self.model.filter { $0.0 != "llama.attention.head_count_kv" }
        #expect(try header(own + [("llama.attention.head_count_kv", .numbers([1, 0]))]).cacheBytesPerToken == [64, 0])
        let lengths: [(String, Value)] = [("llama.attention.key_length", .number(24)), ("llama.attention.value_length", .number(8))]
        #expect(try header(Self.model + lengths).cacheBytesPerToken == [128, 128])
        #expect(try header(own).cacheBytesPerToken == [256, 256])
        #expect(try header(Self.model + [("llama.attention.causal", .flag(false))]).cacheBytesPerToken == [])
        // A list shorter than the layers: the last stands for the rest.
        #expect(try header(own + [("llama.attention.head_count_kv", .numbers([3]))]).cacheBytesPerToken == [192, 192])
    }

    @Test(
        "Numbers that would overflow memory are refused",
        arguments: [
            "llama.block_count", "llama.embedding_length", "llama.context_length", "llama.attention.head_count",
            "llama.attention.head_count_kv", "llama.attention.key_length", "llama.attention.value_length", "llama.feed_forward_length",
        ])
    func hostile(key: String) {
        let error = #expect(throws: DamagedModel.self) {
            try header(Self.model.filter { $0.0 != key } + [(key, .number(.max))])
        }
        #expect(error?.description.contains(key) == true)
    }

    @Test("The largest numbers that are let through make a plan without overflow")
    func largest() throws {
        let header = try header([
            ("llama.block_count", .number(1 << 12)), ("llama.embedding_length", .number(1 << 20)),
            ("llama.attention.head_count", .number(1 << 12)), ("llama.attention.head_count_kv", .number(1 << 12)),
            ("llama.attention.key_length", .number(1 << 14)), ("llama.attention.value_length", .number(1 << 14)),
            ("llama.feed_forward_length", .number(1 << 24)), ("llama.context_length", .number(1 << 31)),
            ("llama.vocab_size", .number(1 << 24)),
        ])
        let demand = MemoryPlan.Demand(
            role: .chat, model: "x", file: "x", shape: ModelShape(header), context: 1_048_576, batch: 16_384, threads: 1)
        let machine = Machine(physicalCores: 1, memory: .max, gpuMemory: [1 << 61, 1 << 61])
        #expect(MemoryPlan(machine: machine, demands: [demand]).shares.count == 1)
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
        let data = Self.file(Self.model)
        for length in 0..<data.count {
            #expect(throws: DamagedModel.self) { try GGUFHeader(head: data.prefix(length), fileSize: Int64(length)) }
        }
    }

    @Test("No flipped byte makes the reader crash or read without end")
    func flipped() {
        let data = Self.file(Self.model)
        for position in data.indices {
            for bit in 0..<8 {
                var broken = data
                broken[position] ^= 1 << bit
                _ = try? GGUFHeader(head: broken, fileSize: Int64(broken.count))
            }
        }
    }
}
