import Logging
import ServiceLifecycle
import Suite
import UnixSignals

/// The life of a process of the stack, whatever it does: until SIGTERM, SIGINT or the end of its supervisor; then ten seconds to finish.
public enum ProcessLife {
    /// - Parameter make: makes the services. Told to end meanwhile, the process cancels it, so that nothing it has begun stays behind, such as
    ///   an engine that is tried.
    /// - Throws: when the services cannot be made, or one of them fails.
    public static func run(
        _ settings: Settings, logger: Logger, _ make: @escaping @Sendable () async throws -> [any Service]
    ) async throws {
        // A supervisor that stops no longer reads what its services say. One that tells of its end then has to finish all the same.
        BrokenPipes.failInsteadOfEnding()
        let watch: [any Service] = settings.isSupervised ? [SupervisorWatch(logger: logger)] : []
        try await group(watch + [Beginning(make: make, logger: logger)], endingBy: [.sigterm, .sigint], logger).run()
    }

    fileprivate static func group(_ services: [any Service], endingBy signals: [UnixSignal] = [], _ logger: Logger) -> ServiceGroup {
        var configuration = ServiceGroupConfiguration(
            services: services.map {
                .init(
                    service: NamedService(service: $0), successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: signals, logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        return ServiceGroup(configuration: configuration)
    }
}

/// Makes services, and then is what they are.
private struct Beginning: Service {
    let make: @Sendable () async throws -> [any Service]
    let logger: Logger

    func run() async throws {
        let services: [any Service]
        do {
            services = try await cancelWhenGracefulShutdown(make)
        } catch  where Task.isShuttingDownGracefully {
            return logger.info("told to end before it began", metadata: error is CancellationError ? [:] : ["cause": "\(error)"])
        }
        try await ProcessLife.group(services, logger).run()
    }
}
