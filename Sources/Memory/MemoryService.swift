import Foundation
import HTTPTypes
import Logging
import NIOHTTP1
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// Long-term memory: conversations by project, found again by words and by meaning, forgotten when their time has come.
public struct MemoryService: SuiteService {
    public let id = ServiceID.memoryAPI
    public let errorShape = ErrorShape.detail
    public let healthyWord = "healthy"
    let settings: Settings
    let clients: SuiteClients
    let projects: Projects
    let sync: VectorSyncer
    private let meaning: Meaning
    private let foreground = ForegroundActivity()

    public init(settings: Settings, clients: SuiteClients, logger: Logger) {
        self.init(settings: settings, clients: clients, logger: logger, now: { .now })
    }

    init(settings: Settings, clients: SuiteClients, logger: Logger, now: @escaping @Sendable () -> Date) {
        self.settings = settings
        self.clients = clients
        projects = Projects(folder: settings.dataFolders.memory, common: try? ProjectID(settings[SettingKeys.defaultProject]), now: now)
        meaning = Meaning(clients.embedding(timeout: .seconds(30), retry: .never), folder: settings.dataFolders.memory)
        sync = VectorSyncer(projects: projects, clients: clients, meaning: meaning, foreground: foreground, logger: logger)
    }

    public var routes: [Route] {
        (ConversationRoutes(service: self).all + ProjectRoutes(service: self).all + UpkeepRoutes(service: self).all
            + BackupRoutes(service: self).all + KnowledgeRoutes(service: self).all).map(\.closedIsGone.measured)
    }

    public var companions: [any ServiceLifecycle.Service] { [Prewarm(projects: projects), sync, MemoryGauges(service: self)] }

    /// Ready even while embedding and vectors are away: words are searched then, and what is saved waits in the queue.
    public func health() async -> Health {
        async let vectors = vectorProblem()
        let storage = await projects.storageProblem()
        let problem = await vectors
        return Health(
            storage == nil ? .ok : .degraded, reason: storage,
            facts: [
                "memory_system": .string(storage == nil ? "available" : "unavailable"), "storage_available": .bool(storage == nil),
                "vector_enabled": .bool(problem == nil), "vector_problem": .of(problem),
                // The outbox tries again by itself, whoever asks.
                "vector_recovery": .string(problem == nil ? "not_needed" : "attempted"),
            ])
    }

    func search(in store: MemoryStore) -> HybridSearch {
        foreground.note()
        return HybridSearch(store: store, meaning: meaning, vectors: clients.vectors(timeout: .seconds(10), retry: .never))
    }

    func digest(of store: MemoryStore) -> Digest {
        Digest(store: store, chat: clients.chat, model: settings[SettingKeys.chatAlias])
    }

    /// Who a request is from: the caller, or, where a service of the suite asks, the user it asks for.
    ///
    /// - Throws: 403 when anybody else says that he is somebody else.
    func caller(_ user: String?, _ caller: Caller) throws -> Caller {
        guard let user else { return caller }
        guard caller.role == .service else {
            throw ServiceError(
                .forbidden, code: "forbidden", "“user_id” is for the services of the suite; your key already says who you are.",
                parameter: "user_id")
        }
        // Of the user's rights only one counts here: that what is his is his.
        return Caller(id: user, role: .developer)
    }

    /// The project that a request is about: the one it names, the one that is set for all, or the caller's own.
    func project(_ given: String?, _ caller: Caller) throws -> ProjectID {
        let common = settings[SettingKeys.defaultProject]
        if let name = given ?? (common.isEmpty ? nil : common) { return try ProjectID(name) }
        return try ProjectID(of: caller.id)
    }

    /// The memory that a path names.
    func existing(_ context: CallContext) async throws -> MemoryStore {
        try await projects.existing(try ProjectID(try context.part("id")), for: context.caller)
    }

    /// Why search by meaning is not to be had; `nil` when it is.
    func vectorProblem() async -> String? {
        do {
            _ = try await clients.client(.embedding, timeout: .seconds(2)).bytes(.GET, "/health")
            _ = try await clients.vectors(timeout: .seconds(2), retry: .never).collections()
            return nil
        } catch {
            return String("\(error)".prefix(200))
        }
    }

    /// What does not fit between conversations, index and vector store. What is in the queue is on its way, and no fault.
    func agreement(of store: MemoryStore) async throws -> [String] {
        var problems = try await store.checkAgreement().problems
        let remedy = "write all anew: maru memory sync --anew --project \(store.project)"
        let expected = try await store.pointsExpected()
        let collection = VectorSync.collection(of: store.project)
        let there: Set<Int64>
        do {
            there = Set(
                try await clients.vectors.ids(in: collection).compactMap {
                    if case .number(let id) = $0 { Int64(clamping: id) } else { nil }
                })
        } catch let error as UpstreamError where error.status == 404 {
            there = []
        }
        let missing = expected.synced.subtracting(there)
        let ghosts = there.subtracting(expected.synced).subtracting(expected.queued)
        if !missing.isEmpty {
            problems.append(
                "\(missing.count) vectors are missing from the store, among them that of \(missing.min() ?? 0); \(remedy)")
        }
        if !ghosts.isEmpty {
            problems.append(
                "the store holds \(ghosts.count) vectors of no conversation, among them \(ghosts.min() ?? 0); \(remedy)")
        }
        return problems
    }
}
