import AsyncHTTPClient
import NIOCore
import Suite
import Synchronization

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

    /// The client that requests are relayed through, apart from the one for health and lists: an answer holds its connection for as long
    /// as it is written, and what is asked meanwhile must not wait for it.
    ///
    /// It has a connection for every request that may be in work, so that none waits for another's. Lives as long as the process; settings
    /// that ask for the same share it.
    public static func relaying(_ settings: Settings) -> HTTPClient {
        let bounds = RelayBounds(
            connections: settings[SettingKeys.maxConcurrentRequests], connectTimeout: settings[SettingKeys.llmConnectTimeout])
        return relays.withLock { relays in
            if let made = relays[bounds] { return made }
            var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
            configuration.connectionPool.retryConnectionEstablishment = false
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = bounds.connections
            configuration.timeout.connect = .seconds(Int64(bounds.connectTimeout))
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
            relays[bounds] = client
            return client
        }
    }

    private struct RelayBounds: Hashable {
        let connections: Int
        /// In seconds.
        let connectTimeout: Int
    }

    private static let relays = Mutex<[RelayBounds: HTTPClient]>([:])
}
