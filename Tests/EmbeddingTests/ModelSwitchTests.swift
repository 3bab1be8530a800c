import Foundation
import HTTPTypes
import Inference
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Embedding

/// Real files, the real model store; no engine: which model is served is decided before one starts.
@Suite("Serving another embedding model", .enabled(if: RealEmbedding.isThere, RealEmbedding.need))
struct ModelSwitchTests {
    private static let served = "multilingual-e5-small"

    /// A switch over a scratch folder of models, that serves the catalogue's default under another file's name.
    private func withSwitch(
        live: [String] = [], _ body: (ModelSwitch, FilePath, @escaping @Sendable () -> [String]) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["EMBEDDING_MODEL": "other.gguf"], folder: folder)
            let modelsFolder = settings.modelsFolder
            try FileManager.default.createDirectory(atPath: modelsFolder.string, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: modelsFolder.appending("other.gguf").string, withDestinationPath: RealEmbedding.model.string)
            let store = ModelStore(settings: settings)
            let file = try await store.file(for: .embedding)
            let machine = Machine(physicalCores: 2, memory: 8 << 30, gpuMemory: [])
            let share = try await store.plan(for: machine).share(.embedding)
            let engine = EmbeddingEngine(
                tokenize: { _ in [] }, detokenize: { _ in "" }, embed: { .init(values: $0.map { _ in [1] }, tokens: 0) })
            @Sendable func active(_ file: ModelFile, _ share: MemoryPlan.Share) -> ActiveModel {
                ActiveModel(
                    file: file, configuration: .embedding(file.path, share: share),
                    embedder: Embedder(
                        engine: engine, profile: .of(file.name), tokenLimit: share.context,
                        bounds: .init(texts: 1, characters: 1, batch: 1), isNormalizing: true))
            }
            let started = Activations()
            let models = ModelSwitch(
                active(file, share), store: store, machine: machine, liveCollections: { live },
                activate: { file, share in
                    started.names.withLock { $0.append(file.name) }
                    return active(file, share)
                })
            try await body(models, modelsFolder) { started.names.withLock { $0 } }
        }
    }

    private final class Activations: Sendable {
        let names = Mutex<[String]>([])
    }

    private func put(in folder: FilePath) throws {
        try FileManager.default.createSymbolicLink(
            atPath: folder.appending(RealEmbedding.model.lastComponent?.string ?? "").string,
            withDestinationPath: RealEmbedding.model.string)
    }

    @Test("Nothing happens for the model that is served, by any of its names")
    func same() async throws {
        try await withSwitch(live: ["documents"]) { models, _, started in
            for name in ["", "other", "other.gguf"] {
                let isReloaded = try await models.reload(name)
                #expect(!isReloaded)
            }
            #expect(started().isEmpty)
        }
    }

    @Test("A name that is no embedding model's is 404", arguments: ["nonsense", "qwen2.5-coder-0.5b", "../other.gguf"])
    func unknown(name: String) async throws {
        try await withSwitch { models, _, _ in
            let error = await #expect(throws: ServiceError.self) { try await models.reload(name) }
            #expect(error?.status == .notFound)
        }
    }

    @Test("A model that is not there is 409 with the command that fetches it; a damaged one too")
    func missing() async throws {
        try await withSwitch { models, folder, started in
            let error = await #expect(throws: ServiceError.self) { try await models.reload(Self.served) }
            #expect(error?.status == .conflict && error?.message.contains("maru models pull \(Self.served)") == true)
            try Data("GGUF".utf8).write(to: URL(filePath: folder.appending("multilingual-e5-small-Q4_0.gguf").string))
            let damaged = await #expect(throws: ServiceError.self) { try await models.reload(Self.served) }
            #expect(damaged?.status == .conflict && damaged?.message.contains("damaged") == true)
            #expect(started().isEmpty)
        }
    }

    @Test("While collections live, no other model is served, not even one of the same dimension")
    func collections() async throws {
        try await withSwitch(live: ["documents", "memory"]) { models, folder, started in
            try put(in: folder)
            let error = await #expect(throws: ServiceError.self) { try await models.reload(Self.served) }
            #expect(error?.status == .conflict && error?.code == "collections_exist")
            #expect(error?.message.contains("documents, memory") == true)
            #expect(started().isEmpty)
            #expect(await models.active.name == "other")
        }
    }

    @Test("Without collections the other model is served, and a second time nothing happens")
    func reloaded() async throws {
        try await withSwitch { models, folder, started in
            try put(in: folder)
            let isReloaded = try await models.reload(Self.served)
            #expect(isReloaded)
            #expect(await models.active.name == Self.served)
            #expect(await models.active.dimension == 384)
            let again = try await models.reload(Self.served)
            #expect(!again)
            #expect(started() == [Self.served])
        }
    }
}
