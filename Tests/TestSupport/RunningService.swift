import Hummingbird
import HummingbirdTesting
import Logging
import ServiceKit
import Suite

/// Lets everybody in as a given caller.
public struct OpenDoor: Authenticator {
    public let role: Role

    public init(role: Role = .developer) { self.role = role }

    public func caller(for credentials: Credentials) async -> Caller? { Caller(id: "tester", role: role) }
}

/// Runs a service on a free port of the loopback interface, with everything ``ServiceServer`` puts around it.
public func withRunning<Value: Sendable>(
    _ service: any SuiteService, settings: Settings, authenticator: any Authenticator = OpenDoor(),
    _ body: @escaping @Sendable (any TestClientProtocol) async throws -> Value
) async throws -> Value {
    let server = ServiceServer(
        service, settings: settings, authenticator: authenticator, registry: PrometheusRegistry(),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return try await server.application(port: 0).test(.live) { client in try await body(client) }
}
