import Foundation
import Inference
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// Holds the model that is served, and exchanges it for another.
///
/// Vectors of two models have nothing to say to each other, even where they have the same length. So a model is only exchanged while no
/// collection holds vectors of the one before.
actor ModelSwitch {
    private(set) var active: ActiveModel
    private let store: ModelStore
    private let machine: Machine
    private let liveCollections: @Sendable () async throws -> [String]
    private let activate: @Sendable (ModelFile, MemoryPlan.Share) async -> ActiveModel
    private var isSwitching = false

    /// - Parameters:
    ///   - liveCollections: names of the collections in the vector store.
    ///   - activate: has the engine run a model.
    init(
        _ active: ActiveModel, store: ModelStore, machine: Machine, liveCollections: @escaping @Sendable () async throws -> [String],
        activate: @escaping @Sendable (ModelFile, MemoryPlan.Share) async -> ActiveModel
    ) {
        self.active = active
        self.store = store
        self.machine = machine
        self.liveCollections = liveCollections
        self.activate = activate
    }

    /// Serves another model from now on, until the service ends: the next start reads `EMBEDDING_MODEL` again.
    ///
    /// - Parameter name: of the catalogue; empty for the one that is served.
    /// - Returns: whether the model is another one now. It is loading then.
    /// - Throws: 404 for an unknown name, 409 when the file is missing or damaged, does not fit, or collections stand against it, 503 when the
    ///   vector store cannot be asked.
    func reload(_ name: String) async throws -> Bool {
        guard !name.isEmpty, name != active.name, name != active.file.path.lastComponent?.string else { return false }
        guard let known = ModelCatalogue.named(name), known.roles.contains(.embedding) else {
            throw ServiceError.notFound("There is no embedding model “\(name)”. GET /models lists them.", code: "model_not_found")
        }
        guard !isSwitching else { throw ServiceError.conflict("Another reload is in progress.", code: "reload_in_progress") }
        isSwitching = true
        defer { isSwitching = false }
        let file: ModelFile
        let share: MemoryPlan.Share
        do {
            file = try await store.file(known, for: .embedding)
            share = try await store.plan(for: machine, with: [.embedding: known]).share(.embedding)
        } catch let error as ModelUnavailable {
            throw ServiceError.conflict(error.description, code: "model_unavailable")
        }
        try await refuseWhileInUse(for: file)
        active = await activate(file, share)
        return true
    }

    private func refuseWhileInUse(for next: ModelFile) async throws {
        let live = try await liveCollections()
        guard !live.isEmpty else { return }
        let own = active.dimension
        let other = next.header.embeddingLength ?? 0
        let why =
            own == other ? "their vectors would mean nothing to \(next.name)" : "they have \(own) dimensions, \(next.name) gives \(other)"
        let names = live.sorted().prefix(5).joined(separator: ", ") + (live.count > 5 ? " and \(live.count - 5) more" : "")
        throw ServiceError.conflict(
            "\(names) in the vector store: made with \(active.name), \(why). Remove the collections, reload, and index again.",
            code: own == other ? "collections_exist" : "dimension_changed")
    }
}
