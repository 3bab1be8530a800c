import Foundation
import Suite
import SystemPackage

extension ModelStore {
    /// The memory plan of all models in use. A model whose file is not there yet counts as the catalogue describes it; one that nobody
    /// knows cannot be planned and is left out.
    ///
    /// - Parameter others: take the place of the models that the settings name for these roles.
    public func plan(for machine: Machine, with others: [ModelRole: CatalogueModel] = [:]) async -> MemoryPlan {
        var demands: [MemoryPlan.Demand] = []
        for role in ModelRole.allCases {
            var (name, file) = await chosen(for: role)
            if let other = others[role] { (name, file) = (other.name, other.file) }
            let header = try? await self.file(name, file, for: role).header
            guard let shape = header.map(ModelShape.init) ?? ModelCatalogue.named(name)?.shape else { continue }
            demands.append(demand(role, name, file, shape, machine))
        }
        return MemoryPlan(machine: machine, demands: demands, gpuLayers: settings[SettingKeys.gpuLayers])
    }

    private func demand(_ role: ModelRole, _ name: String, _ file: String, _ shape: ModelShape, _ machine: Machine) -> MemoryPlan.Demand {
        guard role != .embedding else {
            // Encoders read a text in one go, so batch and context are the model's whole length. More would only take memory.
            let limit = min(shape.trainedContext ?? 512, 512)
            return MemoryPlan.Demand(
                role: role, model: name, file: file, shape: shape, context: limit, batch: limit,
                threads: machine.threads(settings[SettingKeys.embeddingThreads]))
        }
        return MemoryPlan.Demand(
            role: role, model: name, file: file, shape: shape, context: settings[SettingKeys.llamaContext],
            batch: settings[SettingKeys.llamaBatch], threads: machine.threads(settings[SettingKeys.llamaThreads]))
    }
}

extension MemoryPlan {
    /// A role's share.
    ///
    /// - Throws: ``ModelUnavailable`` when the machine cannot hold that model even alone.
    public func share(_ role: ModelRole) throws -> Share {
        guard let share = self[role] else { throw ModelUnavailable(description: "The \(role.rawValue) model cannot be planned for.") }
        guard share.ram <= ramLimit else {
            throw ModelUnavailable(description: "The \(role.rawValue) model does not fit: " + problems.joined(separator: " "))
        }
        return share
    }
}
