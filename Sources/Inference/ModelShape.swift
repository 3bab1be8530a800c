/// What decides how much memory a model takes.
public struct ModelShape: Sendable, Equatable {
    public let weights: GGUFHeader.Weights
    /// Bytes of keys and values that each layer keeps for a token; nothing for encoders.
    public let cacheBytesPerToken: [Int64]
    /// Numbers a token is made of within the model.
    public let width: Int
    public let feedForward: Int
    public let vocabulary: Int
    /// Tokens the model was trained to read.
    public let trainedContext: Int?

    /// A model whose file is there.
    public init(_ header: GGUFHeader) {
        weights = header.weights
        cacheBytesPerToken = header.cacheBytesPerToken
        width = header.embeddingLength ?? 0
        feedForward = header.feedForwardLength ?? 4 * width
        vocabulary = header.vocabulary ?? 0
        trainedContext = header.contextLength.flatMap { $0 > 0 ? $0 : nil }
    }

    /// A model of the catalogue: layers that are all alike.
    ///
    /// - Parameters:
    ///   - keyValueWidth: numbers of a layer's keys, and of its values, for a token; 0 for encoders.
    ///   - input: bytes of what turns tokens into numbers.
    ///   - output: bytes of what comes after the last layer, or `nil` when the input's matrix serves for it.
    ///   - isRepacked: whether the layers' matrices are of a type that llama.cpp lays out anew for the CPU.
    init(
        size: Int64, layers: Int, keyValueWidth: Int, width: Int, feedForward: Int, vocabulary: Int, trainedContext: Int, input: Int64,
        output: Int64? = nil, isRepacked: Bool = false
    ) {
        let each = (size - input - (output ?? 0)) / Int64(layers)
        weights = .init(
            input: input, layers: Array(repeating: each, count: layers), output: output ?? 0, tied: output == nil ? input : 0,
            repacked: isRepacked ? each * Int64(layers) : 0)
        cacheBytesPerToken = keyValueWidth > 0 ? Array(repeating: Int64(4 * keyValueWidth), count: layers) : []
        self.width = width
        self.feedForward = feedForward
        self.vocabulary = vocabulary
        self.trainedContext = trainedContext
    }

    /// Layers in llama.cpp's counting, which takes the output for one.
    public var layers: Int { weights.layers.count + 1 }

    /// Bytes of a layer's keys and values for a context.
    func cache(ofLayer layer: Int, context: Int) -> Int64 {
        cacheBytesPerToken.indices.contains(layer) ? cacheBytesPerToken[layer] * Int64(context) : 0
    }
}
