import ServiceLifecycle
import Suite

/// A service of the suite: what it is called, what it answers, whether it is ready. ``ServiceServer`` does the rest.
public protocol SuiteService: Sendable {
    var id: ServiceID { get }
    var errorShape: ErrorShape { get }
    /// Every route but `/health`, `/livez` and `/metrics`, which ``ServiceServer`` adds.
    var routes: [Route] { get }
    /// What runs beside the server: a model process, a background indexer. Started before the first request, ended after the last.
    var companions: [any Service] { get }
    /// The word for “ready” in `/health`'s `status`.
    var healthyWord: String { get }
    /// Whether the service can work, dependencies included. Cheap: it is asked every few seconds and spends no tokens.
    func health() async -> Health
}

extension SuiteService {
    public var companions: [any Service] { [] }
    public var healthyWord: String { "ok" }
}
