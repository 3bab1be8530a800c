import Foundation
import ServiceKit
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
    /// The kind of tokenizer, in llama.cpp's words: `gpt2` for byte pairs, `t5` for SentencePiece unigrams, `bert` for word pieces.
    public let tokenizer: String?
    /// Tokens the model was trained to read.
    public let contextLength: Int?
    public let embeddingLength: Int?
    public let blockCount: Int?
    /// Entries of the vocabulary.
    public let vocabulary: Int?
    /// Width of the feed-forward part; of its widest layer where they differ.
    public let feedForwardLength: Int?
    /// Whether a token sees only what comes before it, so that keys and values are kept for the next.
    public let isCausal: Bool
    /// Bytes of keys and values that each layer keeps for a token, at 16 bits a number.
    public let cacheBytesPerToken: [Int64]
    /// Where the bytes of the tensors lie.
    public let weights: Weights
    public let hasChatTemplate: Bool
    public let tensorCount: Int
    let tensorNames: Set<String>
    /// Bytes the file must have for all its tensors.
    public let requiredSize: Int64

    /// Reads and checks a file, away from the cooperative pool.
    ///
    /// - Throws: as ``init(path:)``.
    static func read(_ path: FilePath) async throws -> GGUFHeader { try await offPool { try GGUFHeader(path: path) } }

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
        var reader = GGUFReader(bytes: [UInt8](head))
        guard try reader.take(4).elementsEqual("GGUF".utf8) else { throw DamagedModel(description: "it does not begin with “GGUF”") }
        let version = try reader.uint32()
        guard (2...3).contains(version) else { throw DamagedModel(description: "its format version is \(version); 2 and 3 are known") }
        let tensorCount = try reader.count(atMost: 1 << 20, what: "tensors")
        let facts = try GGUFMetadata(&reader)
        let architecture = facts.texts["general.architecture"] ?? ""
        guard !architecture.isEmpty else { throw DamagedModel(description: "it names no architecture") }
        let alignment = facts.numbers["general.alignment"] ?? 32
        guard alignment > 0, alignment <= 1 << 16, alignment & (alignment - 1) == 0 else {
            throw DamagedModel(description: "its alignment is \(alignment)")
        }
        var tensors: [GGUFTensor] = []
        for _ in 0..<tensorCount { tensors.append(try GGUFTensor(&reader, alignment: alignment)) }
        let end = tensors.map(\.end).max() ?? 0
        let start = (UInt64(reader.position) + alignment - 1) / alignment * alignment
        let (required, overflow) = start.addingReportingOverflow(end)
        guard !overflow, required <= UInt64(Int64.max) else { throw DamagedModel(description: "its tensors overflow") }
        guard fileSize >= Int64(required) else {
            throw DamagedModel(description: "it is cut off: \(fileSize) bytes of \(required)")
        }
        self.architecture = architecture
        name = facts.texts["general.name"]
        tokenizer = facts.texts["tokenizer.ggml.model"]
        let own = architecture + "."
        contextLength = try facts.number(own + "context_length", atMost: 1 << 31)
        embeddingLength = try facts.number(own + "embedding_length", atMost: 1 << 20)
        blockCount = try facts.number(own + "block_count", atMost: 1 << 12)
        feedForwardLength = try facts.list(own + "feed_forward_length", atMost: 1 << 24).max()
        vocabulary =
            try facts.counts["tokenizer.ggml.tokens"] ?? facts.number(own + "vocab_size", atMost: 1 << 24)
        isCausal = facts.numbers[own + "attention.causal"] != 0
        cacheBytesPerToken = isCausal ? try facts.cacheBytes(own, layers: blockCount ?? 0, width: embeddingLength ?? 0) : []
        weights = Weights(tensors, layers: blockCount ?? 0, end: max(end, UInt64(fileSize) - start))
        hasChatTemplate = facts.texts["tokenizer.chat_template"] != nil
        self.tensorCount = tensorCount
        tensorNames = Set(tensors.map(\.name))
        requiredSize = Int64(required)
    }
}

extension GGUFHeader {
    /// A model's tensors in bytes, by where the engine puts them.
    public struct Weights: Sendable, Equatable {
        /// What turns tokens into numbers.
        public let input: Int64
        /// Each layer.
        public let layers: [Int64]
        /// What comes after the last layer.
        public let output: Int64
        /// The input's matrix, where the model has none of its own for the output: on a GPU it lies twice.
        public let tied: Int64
        /// How much of the layers llama.cpp lays out anew for the CPU.
        public let repacked: Int64

        public var total: Int64 { input + layers.reduce(0, +) + output }
    }
}

extension GGUFHeader.Weights {
    /// - Parameter end: of all data, from its start.
    init(_ tensors: [GGUFTensor], layers count: Int, end: UInt64) {
        var input: Int64 = 0
        var layers = [Int64](repeating: 0, count: count)
        var output: Int64 = 0
        var repacked: Int64 = 0
        var matrix: Int64 = 0
        var next = end
        // A tensor reaches to the next one, whatever its type.
        for tensor in tensors.sorted(by: { $0.offset > $1.offset }) {
            let bytes = Int64(next - min(next, tensor.offset))
            next = min(next, tensor.offset)
            if let layer = tensor.layer, layers.indices.contains(layer) {
                layers[layer] += bytes
                if tensor.isRepacked { repacked += bytes }
            } else if tensor.isInput {
                input += bytes
                if tensor.name == "token_embd.weight" { matrix = bytes }
            } else {
                output += bytes
            }
        }
        let hasOwnOutput = tensors.contains { $0.name == "output.weight" }
        self.init(input: input, layers: layers, output: output, tied: hasOwnOutput ? 0 : matrix, repacked: repacked)
    }
}
