import Foundation
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

@Suite("The memory plan")
struct MemoryPlanTests {
    private static let mebibyte: UInt64 = 1 << 20

    private func machine(memory: UInt64, gpus: [UInt64] = [], isUnified: Bool = false) -> Machine {
        Machine(
            physicalCores: 8, memory: memory * Self.mebibyte, gpuMemory: gpus.map { $0 * Self.mebibyte }, isUnified: isUnified)
    }

    private func demand(_ role: ModelRole, _ name: String, context: Int = 4_096, batch: Int = 512) throws -> MemoryPlan.Demand {
        let model = try #require(ModelCatalogue.named(name))
        return .init(
            role: role, model: model.name, file: model.file, shape: model.shape, context: role == .embedding ? 512 : context,
            batch: role == .embedding ? 512 : batch, threads: 7)
    }

    private func demands(
        chat: String = "qwen2.5-3b", code: String = "qwen2.5-coder-7b", context: Int = 4_096, batch: Int = 512
    ) throws -> [MemoryPlan.Demand] {
        [
            try demand(.chat, chat, context: context, batch: batch), try demand(.code, code, context: context, batch: batch),
            try demand(.embedding, "multilingual-e5-small"),
        ]
    }

    @Test("Without a GPU everything lies in memory, and the sums are right")
    func noGPU() throws {
        let plan = MemoryPlan(machine: machine(memory: 32_768), demands: try demands())
        #expect(plan.fits && plan.notes.isEmpty)
        #expect(plan.shares.map(\.role) == [.chat, .code, .embedding])
        #expect(plan.shares.allSatisfy { $0.gpuLayers == 0 && $0.vram == 0 })
        #expect(plan.vram == 0 && plan.vramLimit == 0)
        #expect(plan.ram == plan.shares.reduce(0) { $0 + $1.ram })
        #expect(plan.ramLimit == Int64(30_720) << 20)
        let chat = try #require(plan[.chat])
        // 2 × 36 layers × 4,096 tokens × 2 heads × 128 numbers of 2 bytes.
        #expect(chat.kvCache == 2 * 36 * 4_096 * 2 * 128 * 2)
        #expect(abs(chat.weights - 1_929_903_264) < 64)
        #expect(chat.ram > chat.weights + chat.kvCache)
        #expect(plan[.embedding]?.kvCache == 0)
    }

    @Test("Two models on a card of 6 GB: chat is whole, as much of code as fits beside it, the rest in memory")
    func sixGigabytes() throws {
        // What the reference system measured: 3B whole 2,253 MiB; 20 layers of 7B; 6,141 MiB on the card.
        let plan = MemoryPlan(machine: machine(memory: 32_768, gpus: [6_141]), demands: try demands(context: 1_024, batch: 128))
        #expect(plan.fits)
        let chat = try #require(plan[.chat])
        let code = try #require(plan[.code])
        #expect(chat.gpuLayers == 37 && chat.layers == 37)
        #expect((2_028...2_478).contains(chat.vram >> 20), "\(chat.vram >> 20)")
        #expect((18...24).contains(code.gpuLayers) && code.layers == 29, "\(code.gpuLayers)")
        #expect(plan[.embedding]?.gpuLayers == 0)
        #expect(plan.vram <= plan.vramLimit && plan.vramLimit < Int64(6_141) << 20)
        #expect(plan.vram == chat.vram + code.vram)
        // What is not on the card is in memory.
        #expect(code.ram + code.vram > code.weights + code.kvCache)
        #expect(plan.notes.contains { $0.contains("code: \(code.gpuLayers) of 29 layers") })

        // A longer context and larger batches leave less room for layers.
        let longer = MemoryPlan(machine: machine(memory: 32_768, gpus: [6_141]), demands: try demands(context: 4_096))
        #expect(try #require(longer[.code]).gpuLayers < code.gpuLayers)
        #expect(longer[.chat]?.gpuLayers == 37)
    }

    @Test("On a card of 24 GB everything is whole, the embedding model too; two cards count together")
    func twentyFourGigabytes() throws {
        for gpus in [[24_564], [12_282, 12_282]] as [[UInt64]] {
            let plan = MemoryPlan(machine: machine(memory: 32_768, gpus: gpus), demands: try demands())
            #expect(plan.fits && plan.notes.isEmpty)
            #expect(plan.shares.allSatisfy { $0.gpuLayers == $0.layers && $0.vram > 0 })
            #expect(plan.vram <= plan.vramLimit)
            // The input's matrix stays in memory.
            #expect(try #require(plan[.code]).ram < 1 << 30)
        }
    }

    @Test("LLAMA_N_GPU_LAYERS bounds what is put on the GPU", arguments: [0, 5])
    func bounded(layers: Int) throws {
        let plan = MemoryPlan(machine: machine(memory: 32_768, gpus: [24_564]), demands: try demands(), gpuLayers: layers)
        #expect(plan[.chat]?.gpuLayers == layers && plan[.code]?.gpuLayers == layers)
        #expect((plan.vram == 0) == (layers == 0))
        #expect(plan.fits)
    }

    @Test("A context that does not fit is lowered, no further than it must be")
    func lowered() throws {
        let demands = try demands(context: 32_768)
        let plan = MemoryPlan(machine: machine(memory: 11_264), demands: demands)
        #expect(plan.fits)
        let context = try #require(plan[.code]).context
        #expect(context < 32_768 && context > 512 && plan[.chat]?.context == context)
        #expect(plan.notes.contains { $0.contains("32768") && $0.contains("\(context)") })
        #expect(plan[.embedding]?.context == 512)
        let larger = LayerPlacement(machine: machine(memory: 11_264), gpuLayers: .max).place(demands, contextAtMost: context + 256)
        #expect(!larger.fits)
    }

    @Test("The smallest context is tried too, whatever the one that was asked for")
    func smallest() throws {
        // Steps of 256 from 1,000 pass it by. The machine is the smallest that holds it.
        let demands = try demands(context: 1_000)
        let megabytes = try #require(
            (1_024...32_768).first { megabytes in
                LayerPlacement(machine: machine(memory: UInt64(megabytes)), gpuLayers: .max).place(demands, contextAtMost: 512).fits
            })
        let plan = MemoryPlan(machine: machine(memory: UInt64(megabytes)), demands: demands)
        #expect(plan.fits && plan[.code]?.context == 512)
    }

    @Test("A machine that is too small is told which models it can run, and those do fit")
    func tooSmall() throws {
        let small = machine(memory: 4_096)
        let plan = MemoryPlan(machine: small, demands: try demands())
        #expect(!plan.fits)
        let problem = try #require(plan.problems.first)
        let advised = problem.matches(of: #/(CHAT|CODE)_MODEL=(\S+)/#)
        #expect(advised.count == 2)
        let names = Dictionary(uniqueKeysWithValues: advised.map { ($0.1, String($0.2)) })
        let better = MemoryPlan(machine: small, demands: try demands(chat: try #require(names["CHAT"]), code: try #require(names["CODE"])))
        #expect(better.fits)
        #expect(throws: ModelUnavailable.self) { try plan.share(.code) }
    }

    @Test("Where not even the smallest models fit, no name is given")
    func hopeless() throws {
        let plan = MemoryPlan(machine: machine(memory: 512), demands: try demands())
        #expect(!plan.fits && plan.problems.count == 1)
        #expect(!plan.problems[0].contains("_MODEL="))
    }

    @Test("Two roles with one file have its weights in memory once")
    func sameFile() throws {
        let same = try demands(chat: "qwen2.5-coder-0.5b", code: "qwen2.5-coder-0.5b")
        let plan = MemoryPlan(machine: machine(memory: 32_768), demands: same)
        let chat = try #require(plan[.chat])
        #expect(chat.ram == plan[.code]?.ram)
        #expect(plan.ram == plan.shares.reduce(0) { $0 + $1.ram } - chat.weights)
        #expect(plan.notes.contains { $0.contains("chat and code use the same file, qwen2.5-coder-0.5b-instruct-q4_k_m.gguf") })

        // Layers that the CPU's code lays out anew are each process's own.
        let repacked = try demands(chat: "qwen2.5-coder-7b", code: "qwen2.5-coder-7b")
        let other = MemoryPlan(machine: machine(memory: 32_768), demands: repacked)
        let saved = other.shares.reduce(0) { $0 + $1.ram } - other.ram
        #expect(saved > 0 && saved < (1 << 30))
    }

    @Test("What a GPU takes of unified memory counts as memory")
    func unified() throws {
        let plan = MemoryPlan(machine: machine(memory: 16_384, gpus: [10_922], isUnified: true), demands: try demands())
        #expect(plan.vram > 0)
        #expect(plan.ram == plan.shares.reduce(0) { $0 + $1.ram + $1.vram })
        #expect(!MemoryPlan(machine: machine(memory: 8_192, gpus: [5_461], isUnified: true), demands: try demands()).fits)
    }

    @Test("The settings, the files and the engine's command line meet in the plan")
    func store() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(
                [
                    "CHAT_MODEL": "qwen2.5-3b", "CODE_MODEL": "own.gguf", "LLAMA_CTX": "2048", "LLAMA_N_GPU_LAYERS": "20",
                    "LLAMA_THREADS": "3",
                ], folder: folder)
            let plan = await ModelStore(settings: settings).plan(for: machine(memory: 32_768, gpus: [24_564]))
            // A file that is not there, of a model that nobody knows, cannot be planned.
            #expect(plan.shares.map(\.role) == [.chat, .embedding])
            let share = try plan.share(.chat)
            #expect(share.gpuLayers == 20 && share.context == 2_048)
            let arguments = EngineConfiguration.chat("/m.gguf", share: share, settings: settings)
                .arguments(
                    for: Engine(path: "/x", origin: .path, build: 1, help: "", usesGPU: true), port: 1, keyFile: "/k")
            func given(_ flag: String) -> String? { arguments.firstIndex(of: flag).map { arguments[$0 + 1] } }
            #expect(given("--n-gpu-layers") == "20" && given("--ctx-size") == "2048" && given("--threads") == "3")
            #expect(throws: ModelUnavailable.self) { try plan.share(.code) }
        }
    }

    @Test("The catalogue describes its files as they describe themselves", .enabled(if: RealEngine.isThere, RealEngine.need))
    func catalogue() async throws {
        for model in ModelCatalogue.all {
            let path = RealEngine.models.appending(model.file)
            guard FileManager.default.fileExists(atPath: path.string) else { continue }
            let real = ModelShape(try await GGUFHeader.read(path))
            #expect(real.cacheBytesPerToken == model.shape.cacheBytesPerToken)
            #expect(real.layers == model.shape.layers && real.vocabulary == model.shape.vocabulary)
            #expect(real.width == model.shape.width && real.feedForward == model.shape.feedForward)
            #expect(real.trainedContext == model.shape.trainedContext)
            #expect((real.weights.tied > 0) == (model.shape.weights.tied > 0))
            for (own, other) in [
                (real.weights.input, model.shape.weights.input), (real.weights.output, model.shape.weights.output),
                (real.weights.total, model.shape.weights.total),
            ] {
                // The head of the file is no weight: some megabytes.
                #expect(abs(own - other) < 8 << 20, "\(model.name): \(own) \(other)")
            }
        }
    }
}
