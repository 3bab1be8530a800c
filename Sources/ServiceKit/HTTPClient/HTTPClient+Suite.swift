import AsyncHTTPClient
import NIOCore

extension HTTPClient {
    /// The client that calls among services and from commands go through; lives as long as the process.
    ///
    /// A refused connection is an answer, told at once: the callers' own retry policies decide about trying again. Redirects are not
    /// followed, since no service of the suite sends any.
    public static let suite: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.timeout.connect = .seconds(10)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()
}
