import ArgumentParser
import Suite

extension Profile: ExpressibleByArgument {}

/// Which services a command is about.
struct ServiceSelection: ParsableArguments {
    @Option(help: "p1: chat behind the gateway; p2: code, embedding, vectors and retrieval too; p3: everything.") var profile: Profile = .p3
    @Option(help: ArgumentHelp("Only these services, separated by commas.", valueName: "names")) var only: String?

    /// The services, in start order.
    func services() throws -> [ServiceDescriptor] {
        guard let only else { return ServiceCatalogue.services(of: profile) }
        let names = only.split(separator: ",").map(String.init)
        for name in names where !ServiceCatalogue.all.contains(where: { $0.id.rawValue == name }) {
            throw ValidationError(
                "There is no service “\(name)”. There are: \(ServiceCatalogue.all.map(\.id.rawValue).joined(separator: ", ")).")
        }
        return ServiceCatalogue.all.filter { names.contains($0.id.rawValue) }
    }
}
