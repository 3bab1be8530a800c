import ServiceLifecycle

/// A service of which nothing is told but its name. ServiceLifecycle writes services to the log by their description, which of a structure is
/// everything in it: settings and keys, too.
struct NamedService: Service, CustomStringConvertible {
    let service: any Service

    var description: String { "\(type(of: service))" }

    func run() async throws { try await service.run() }
}
