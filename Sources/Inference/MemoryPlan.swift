import Foundation

/// How a machine's memory is shared among the models: which layers lie on the GPU, and which context fits.
///
/// Chat comes first, then code, then embedding: of two models that do not both fit on a GPU, the one that answers people is whole. Every
/// service makes the same plan from the same settings and takes its own share of it.
public struct MemoryPlan: Sendable, Encodable {
    /// One model to run, and what the settings ask for it.
    public struct Demand: Sendable {
        public let role: ModelRole
        public let model: String
        /// Models of one file share the pages it is mapped to.
        public let file: String
        public let shape: ModelShape
        /// Tokens of context.
        public let context: Int
        /// Tokens of a prompt read at once.
        public let batch: Int
        public let threads: Int

        public init(role: ModelRole, model: String, file: String, shape: ModelShape, context: Int, batch: Int, threads: Int) {
            self.role = role
            self.model = model
            self.file = file
            self.shape = shape
            self.context = min(context, shape.trainedContext ?? .max)
            self.batch = min(batch, self.context)
            self.threads = threads
        }
    }

    /// What a model gets.
    public struct Share: Sendable, Encodable, Equatable {
        public let role: ModelRole
        public let model: String
        public let context: Int
        /// Layers on the GPU.
        public let gpuLayers: Int
        /// All layers, the output counted as one.
        public let layers: Int
        public let threads: Int
        /// In bytes, as all that follow.
        public let weights: Int64
        public let kvCache: Int64
        public let ram: Int64
        public let vram: Int64
    }

    public let shares: [Share]
    /// What models may take of the machine's memory, and take together; on unified memory the GPU's part counts in both.
    public let ramLimit: Int64
    public let ram: Int64
    public let vramLimit: Int64
    public let vram: Int64
    /// What is worth knowing of a plan that fits.
    public let notes: [String]
    /// Why it does not fit, and what to do; empty when it does.
    public let problems: [String]

    public var fits: Bool { problems.isEmpty }

    /// The share of a role, if it was planned.
    public subscript(role: ModelRole) -> Share? { shares.first { $0.role == role } }

    /// The smallest context a model is lowered to.
    static let smallestContext = 512

    /// - Parameter gpuLayers: layers of each model on the GPU at the most.
    public init(machine: Machine, demands: [Demand], gpuLayers: Int = .max) {
        let machine = LayerPlacement(machine: machine, gpuLayers: gpuLayers)
        let asked = demands.filter { $0.role != .embedding }.map(\.context).max() ?? Self.smallestContext
        let smallest = min(asked, Self.smallestContext)
        // The largest context, the same bound for all, with which everything fits.
        let contexts = Array(stride(from: asked, to: smallest, by: -256)) + [smallest]
        let context = contexts.first { machine.place(demands, contextAtMost: $0).fits }
        let placement = machine.place(demands, contextAtMost: context ?? smallest)
        shares = placement.shares
        ram = placement.ram
        vram = placement.vram
        ramLimit = machine.ramLimit
        vramLimit = machine.vramLimit
        notes = Self.notes(demands, placement, asked: asked, context: context)
        problems = context == nil ? [Self.problem(demands, placement, machine)] : []
    }

    private static func notes(_ demands: [Demand], _ placement: LayerPlacement.Result, asked: Int, context: Int?) -> [String] {
        var notes: [String] = []
        if let context, context < asked {
            notes.append("A context of \(asked) tokens (LLAMA_CTX) does not fit beside the weights: it is lowered to \(context).")
        }
        for (file, sharing) in Dictionary(grouping: demands, by: \.file).sorted(by: { $0.key < $1.key }) where sharing.count > 1 {
            let roles = sharing.map(\.role.rawValue).joined(separator: " and ")
            notes.append("\(roles) use the same file, \(file): \(placement.shared.inMiB) of its weights are in memory once.")
        }
        for share in placement.shares where share.gpuLayers > 0 && share.gpuLayers < share.layers {
            notes.append("\(share.role.rawValue): \(share.gpuLayers) of \(share.layers) layers fit on the GPU; the CPU computes the rest.")
        }
        return notes
    }

    private static func problem(
        _ demands: [Demand], _ placement: LayerPlacement.Result, _ machine: LayerPlacement
    ) -> String {
        let lack =
            "The models need \(placement.ram.inMiB) of memory with a context of \(smallestContext) tokens; \(machine.ramLimit.inMiB) can be had."
        guard let smaller = smaller(demands, machine) else {
            return lack + " No smaller models of the catalogue fit either: run fewer services, or use a machine with more memory."
        }
        return lack + " These fit: " + smaller.map { "\($0.role.rawValue.uppercased())_MODEL=\($0.model)" }.joined(separator: " ")
    }

    /// The demands with models of the catalogue in place of the largest, as many as it takes.
    private static func smaller(_ demands: [Demand], _ machine: LayerPlacement) -> [Demand]? {
        var demands = demands
        while true {
            let replaceable = demands.indices.compactMap { index -> (index: Int, model: CatalogueModel)? in
                ModelCatalogue.smaller(than: demands[index]).map { (index, $0) }
            }
            guard let next = replaceable.max(by: { demands[$0.index].shape.weights.total < demands[$1.index].shape.weights.total }) else {
                return nil
            }
            demands[next.index] = demands[next.index].with(next.model)
            guard machine.place(demands, contextAtMost: smallestContext).fits else { continue }
            return demands
        }
    }
}

extension Int64 {
    /// For people, in the unit that GPUs are sold by.
    public var inMiB: String { "\((self >> 20).formatted(.number.locale(Locale(identifier: "en_US")))) MiB" }
}

extension MemoryPlan.Demand {
    /// The same demand with another model.
    func with(_ other: CatalogueModel) -> MemoryPlan.Demand {
        MemoryPlan.Demand(
            role: role, model: other.name, file: other.file, shape: other.shape, context: context, batch: batch, threads: threads)
    }
}

extension ModelCatalogue {
    /// The next smaller model that can take a role.
    static func smaller(than demand: MemoryPlan.Demand) -> CatalogueModel? {
        all.filter { $0.roles.contains(demand.role) && $0.shape.weights.total < demand.shape.weights.total }.max { $0.size < $1.size }
    }
}
