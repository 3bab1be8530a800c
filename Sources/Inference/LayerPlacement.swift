/// Puts layers where there is room: as many as fit on the GPU, the rest in the machine's memory.
///
/// What an engine takes besides weights and cache was measured with llama.cpp's own server and rounded up.
struct LayerPlacement {
    /// What came of it.
    struct Result {
        let shares: [MemoryPlan.Share]
        let ram: Int64
        let vram: Int64
        /// Weights that two models of one file have in memory once.
        let shared: Int64
        let fits: Bool
    }

    let ramLimit: Int64
    let vramLimit: Int64
    private let gpus: Int64
    private let isUnified: Bool
    private let gpuLayers: Int

    /// Kept free for the system, the rest of the stack and the cache of its files.
    private static func reserve(of memory: Int64) -> Int64 { min(2 << 30, memory / 4) }
    /// Kept free on each GPU for its driver and the screen.
    private static let gpuReserve: Int64 = 256 << 20
    /// What a process takes of a GPU before it holds anything there.
    private static let gpuProcess: Int64 = 256 << 20
    /// What an engine takes in memory before it holds anything, and for each entry of the vocabulary.
    private static let process: Int64 = 64 << 20
    private static let vocabularyEntry: Int64 = 400

    init(machine: Machine, gpuLayers: Int) {
        let memory = Int64(clamping: machine.memory)
        ramLimit = memory - Self.reserve(of: memory)
        gpus = Int64(machine.gpuMemory.count)
        vramLimit = machine.gpuMemory.reduce(0) { $0 + max(0, Int64(clamping: $1) - Self.gpuReserve) }
        isUnified = machine.isUnified
        self.gpuLayers = gpuLayers
    }

    /// Places models in the order of their importance.
    ///
    /// - Parameter contextAtMost: bounds the context of chat and code; an embedding model reads its texts whole or not at all.
    func place(_ demands: [MemoryPlan.Demand], contextAtMost limit: Int) -> Result {
        var free = vramLimit
        var shares: [MemoryPlan.Share] = []
        var sharable: [String: (once: Int64, twice: Int64)] = [:]
        for demand in demands.sorted(by: { Self.rank($0.role) < Self.rank($1.role) }) {
            let context = demand.role == .embedding ? demand.context : min(demand.context, limit)
            let (layers, vram) = onGPU(demand, context, free)
            free -= vram
            let (ram, mapped) = inMemory(demand, context, gpuLayers: layers)
            // Of one file's pages, those of the model with fewer layers on the GPU serve the other too.
            let before = sharable[demand.file] ?? (0, 0)
            sharable[demand.file] = (max(before.once, mapped), before.twice + mapped)
            let cache = demand.shape.cacheBytesPerToken.indices.reduce(0) { $0 + demand.shape.cache(ofLayer: $1, context: context) }
            shares.append(
                MemoryPlan.Share(
                    role: demand.role, model: demand.model, context: context, gpuLayers: layers, layers: demand.shape.layers,
                    threads: demand.threads, weights: demand.shape.weights.total, kvCache: cache, ram: ram, vram: vram))
        }
        let shared = sharable.values.reduce(0) { $0 + $1.twice - $1.once }
        let vram = vramLimit - free
        let ram = shares.reduce(0) { $0 + $1.ram } - shared + (isUnified ? vram : 0)
        return Result(shares: shares, ram: ram, vram: vram, shared: shared, fits: ram <= ramLimit)
    }

    private static func rank(_ role: ModelRole) -> Int {
        switch role {
        case .chat: 0
        case .code: 1
        case .embedding: 2
        }
    }

    /// How many layers fit on the GPU, and what they take there. llama.cpp puts the last layers there; builds differ in whether the
    /// output is the first or the last of them, so the larger of both counts.
    private func onGPU(_ demand: MemoryPlan.Demand, _ context: Int, _ free: Int64) -> (layers: Int, bytes: Int64) {
        guard gpus > 0 else { return (0, 0) }
        let shape = demand.shape
        let most = min(gpuLayers, shape.layers)
        let base = gpus * (Self.gpuProcess + Self.scratch(demand) + Int64(demand.batch) * Int64(shape.vocabulary) * 4)
        let output = shape.weights.output + shape.weights.tied
        var best: (layers: Int, bytes: Int64) = (0, 0)
        var held: Int64 = 0
        for count in 0..<most {
            let layer = shape.weights.layers.count - 1 - count
            let next = layer >= 0 ? shape.weights.layers[layer] + shape.cache(ofLayer: layer, context: context) : output
            let bytes = base + held + (layer >= 0 ? max(next, output) : next)
            held += next
            guard bytes <= free else { break }
            best = (count + 1, bytes)
        }
        // A small encoder in two places only pays for the way between them.
        return demand.role == .embedding && best.layers < shape.layers ? (0, 0) : best
    }

    /// What a model takes in memory, and how much of that are pages of its file that another process can use too.
    private func inMemory(_ demand: MemoryPlan.Demand, _ context: Int, gpuLayers: Int) -> (bytes: Int64, mapped: Int64) {
        let shape = demand.shape
        let isWhole = gpuLayers == shape.layers
        let count = isWhole ? 0 : shape.weights.layers.count - max(0, gpuLayers - 1)
        let layers = shape.weights.layers.prefix(count).reduce(0, +)
        let weights = shape.weights.input + layers + (isWhole ? 0 : shape.weights.output)
        let cache = (0..<count).reduce(0) { $0 + shape.cache(ofLayer: $1, context: context) }
        // An encoder gives room to what it could say of every token.
        let outputs = demand.role == .embedding ? Int64(context) * Int64(shape.vocabulary) * 4 : 0
        let process = Self.process + Int64(shape.vocabulary) * Self.vocabularyEntry + (gpuLayers > 0 ? Self.gpuProcess : 0)
        let all = shape.weights.layers.reduce(0, +)
        let repacked = all > 0 ? Int64(Double(shape.weights.repacked) * Double(layers) / Double(all)) : 0
        return (process + weights + cache + outputs + Self.scratch(demand), weights - repacked)
    }

    /// What one batch needs while it passes through a layer.
    private static func scratch(_ demand: MemoryPlan.Demand) -> Int64 {
        Int64(demand.batch) * 4 * (6 * Int64(demand.shape.width) + 3 * Int64(demand.shape.feedForward))
    }
}
