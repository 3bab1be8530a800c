import Logging
import Metrics
import ServiceKit
import ServiceLifecycle
import Suite

/// The vector store, with Qdrant's REST surface.
public struct VectorsService: SuiteService {
    public let id = ServiceID.qdrant
    public let errorShape = ErrorShape.qdrant
    let settings: Settings
    let store: CollectionStore
    private let loading: Loading

    public init(settings: Settings, logger: Logger) {
        self.settings = settings
        store = CollectionStore(folder: settings.dataFolders.vectors, logger: logger)
        loading = Loading(store: store)
    }

    public var companions: [any Service] { [loading] }

    public var routes: [Route] { CollectionRoutes(service: self).all + PointRoutes(service: self).all + SnapshotRoutes(service: self).all }

    public func health() async -> Health {
        guard await loading.isDone else { return Health(.loading, reason: "collections are being opened") }
        let broken = await store.broken
        let facts: [String: JSONValue] = ["collections": .integer(Int64(await store.names.count))]
        guard broken.isEmpty else {
            let dependencies = broken.mapValues { Health.Dependency(error: $0) }
            return Health(
                .degraded, reason: "damaged: " + broken.keys.sorted().joined(separator: ", "), dependencies: dependencies, facts: facts)
        }
        return Health(.ok, facts: facts)
    }

    /// Waits a moment for collections that are still being opened.
    ///
    /// - Throws: 503 when they take longer.
    func ready() async throws -> CollectionStore {
        for _ in 0..<100 where !(await loading.isDone) { try await Task.sleep(for: .milliseconds(20)) }
        guard await loading.isDone else {
            throw ServiceError.unavailable("Collections are still being opened.", code: "loading", retryAfter: .seconds(2))
        }
        return store
    }
}

/// Opens the collections once, beside the server, so that liveness answers meanwhile.
private actor Loading: Service {
    private let store: CollectionStore
    private(set) var isDone = false

    init(store: CollectionStore) { self.store = store }

    func run() async throws {
        try await store.load()
        isDone = true
        try? await gracefulShutdown()
    }
}
