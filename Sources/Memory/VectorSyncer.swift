import AsyncAlgorithms
import Logging
import Metrics
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// Keeps the vector store in step with all projects: at once after a change, and every while, for what could not be written before. One run
/// at a time for each project.
final class VectorSyncer: Service {
    /// Conversations that are embedded and written together.
    static let batch = 64

    private let projects: Projects
    private let clients: SuiteClients
    private let interval: Duration
    private let logger: Logger
    private let turns = ProjectTurns()
    private let wakes = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(projects: Projects, clients: SuiteClients, settings: Settings, logger: Logger) {
        self.projects = projects
        self.clients = clients
        interval = .seconds(settings[SettingKeys.memorySyncInterval])
        self.logger = logger
    }

    /// Says that there is something to do.
    func wake() { wakes.continuation.yield() }

    func run() async throws {
        let ticks = AsyncTimerSequence(interval: interval, clock: .continuous).map { _ in () }
        wake()
        for await _ in merge(wakes.stream, ticks).cancelOnGracefulShutdown() {
            do {
                for store in try await projects.all() { await runOnce(store) }
            } catch {
                logger.error("the projects cannot be read", metadata: ["cause": "\(error)"])
            }
        }
    }

    private func runOnce(_ store: MemoryStore) async {
        do {
            _ = try await run(store, batch: Self.batch)
        } catch {
            logger.warning(
                "vectors are not in step yet; search by words goes on",
                metadata: ["project": "\(store.project)", "cause": "\(error)", "retry_s": "\(interval.components.seconds)"])
        }
        if let (size, _) = try? await store.queue(1) {
            Gauge(label: "memory_sync_queue_size", dimensions: [("project_id", store.project.text)]).record(size)
        }
    }

    /// Works through a project's queue.
    func run(_ store: MemoryStore, batch: Int) async throws -> VectorSync.Outcome {
        let outcome = try await turns.take(store.project) { [clients] in
            try await VectorSync(store: store, embedding: clients.embedding, vectors: clients.vectors).run(batch: batch)
        }
        Counter(label: "memory_vectors_total", dimensions: [("action", "upsert")]).increment(by: outcome.synced)
        Counter(label: "memory_vectors_total", dimensions: [("action", "delete")]).increment(by: outcome.deleted)
        return outcome
    }
}

/// Lets one piece of work for a project run at a time.
private actor ProjectTurns {
    private var last: [ProjectID: Task<VectorSync.Outcome, any Error>] = [:]

    func take(_ project: ProjectID, _ work: @escaping @Sendable () async throws -> VectorSync.Outcome) async throws -> VectorSync.Outcome {
        let before = last[project]
        let task = Task {
            _ = await before?.result
            return try await work()
        }
        last[project] = task
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
