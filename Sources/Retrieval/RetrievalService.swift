import Logging
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// Retrieval over one's own documents, with citations.
public struct RetrievalService: SuiteService {
    public let id = ServiceID.rag
    public let errorShape = ErrorShape.detail
    public let healthyWord = "healthy"
    let settings: Settings
    let clients: SuiteClients
    let database: IndexDatabase
    let indexing: IndexDocuments
    let answering: AnswerQuestion
    let analytics: AnalyticsDatabase
    let cache: AnswerCache
    let log: SearchLog

    /// - Throws: when the index database cannot be opened.
    public init(settings: Settings, clients: SuiteClients, logger: Logger) async throws {
        self.settings = settings
        self.clients = clients
        database = try IndexDatabase(path: settings.dataFolders.sqlite.appending("rag.db"))
        let centred = CentredEmbedding(client: clients.embedding, database: database)
        indexing = IndexDocuments(database: database, centred: centred, clients: clients, settings: settings, logger: logger)
        analytics = try AnalyticsDatabase(path: settings.dataFolders.sqlite.appending("rag_analytics.db"))
        cache = AnswerCache(database: analytics, lifetime: .seconds(settings[SettingKeys.ragCacheHours] * 3_600))
        log = SearchLog(
            database: analytics, keepsWords: settings[SettingKeys.ragAnalyticsQueries],
            retention: .seconds(settings[SettingKeys.ragAnalyticsDays] * 86_400))
        answering = AnswerQuestion(
            search: HybridSearch(database: database, embedding: centred, vectors: clients.vectors), chat: clients.chat,
            embedding: clients.embedding, cache: cache, log: log, settings: settings, logger: logger)
    }

    public var routes: [Route] { RetrievalRoutes(service: self).all + AnalyticsRoutes(service: self).all }

    public func health() async -> Health {
        let embedding = clients.client(.embedding, timeout: .seconds(2))
        let gateway = clients.client(.gateway, timeout: .seconds(2))
        let store = clients.vectors(timeout: .seconds(2), retry: .never)
        let needed: [(name: String, ask: @Sendable () async throws -> Void)] = [
            // A Qdrant elsewhere has no /health; that it tells its collections is what is needed of either.
            ("qdrant", { _ = try await store.collections() }), ("embedding", { _ = try await embedding.bytes(.GET, "/health") }),
            ("api_gateway", { _ = try await gateway.bytes(.GET, "/health") }),
        ]
        let found = await withTaskGroup(of: (String, Health.Dependency).self) { group in
            for (name, ask) in needed {
                group.addTask {
                    do {
                        try await ask()
                        return (name, Health.Dependency())
                    } catch {
                        return (name, Health.Dependency(error: String("\(error)".prefix(100))))
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let config: JSONValue = [
            "RAG_TOPK": .integer(Int64(settings[SettingKeys.ragTopK])),
            "RAG_CHUNK_SIZE": .integer(Int64(settings[SettingKeys.ragChunkSize])),
            "RAG_CHUNK_OVERLAP": .integer(Int64(settings[SettingKeys.ragChunkOverlap])),
            "RAG_LLM_TIMEOUT": .integer(Int64(settings[SettingKeys.ragLLMTimeout])),
            "RAG_LLM_MAX_TOKENS": .integer(Int64(settings[SettingKeys.ragLLMMaxTokens])),
        ]
        return Health(dependencies: found, facts: ["config": config])
    }
}
