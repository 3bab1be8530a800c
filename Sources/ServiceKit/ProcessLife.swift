import Logging
import ServiceLifecycle
import Suite
import UnixSignals

/// The life of a process of the stack, whatever it does: until SIGTERM, SIGINT or the end of its supervisor; then ten seconds to finish.
public enum ProcessLife {
    /// - Throws: when one of the services fails.
    public static func run(_ services: [any Service], _ settings: Settings, logger: Logger) async throws {
        let watch: [any Service] = settings.isSupervised ? [SupervisorWatch(logger: logger)] : []
        var configuration = ServiceGroupConfiguration(
            services: (watch + services).map {
                .init(
                    service: NamedService(service: $0), successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
    }
}
