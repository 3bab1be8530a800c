import Foundation
import Logging
import Metrics
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI
import Synchronization
import SystemPackage

/// Keeps the vector store in step with all projects: at once after a change, and after a pause while a service is away. One run at a time
/// for each project.
final class VectorSyncer: Service {
    /// Conversations that are embedded and written together: few, since a batch that has begun steps back for nobody.
    static let batch = 16
    /// Between two tries while a service is away; it doubles from a second.
    private static let longestPause = Duration.seconds(30)
    /// Until what was refused is looked at again; whether it is due is told by itself.
    private static let pauseOfPutOff = Duration.seconds(5)

    private let projects: Projects
    private let clients: SuiteClients
    private let meaning: Meaning
    private let foreground: ForegroundActivity
    private let logger: Logger
    private let turns = ProjectTurns()
    private let changed = Mutex<Set<ProjectID>>([])
    /// Projects with something that was refused.
    private let putOff = Mutex<Set<ProjectID>>([])
    /// Of the run that goes on; `nil` while none does.
    private let waker = Mutex<AsyncStream<Void>.Continuation?>(nil)

    init(projects: Projects, clients: SuiteClients, meaning: Meaning, foreground: ForegroundActivity, logger: Logger) {
        self.projects = projects
        self.clients = clients
        self.meaning = meaning
        self.foreground = foreground
        self.logger = logger
    }

    /// Says that somebody changed a project, so that there is something to do.
    func wake(_ store: MemoryStore) {
        foreground.note()
        changed.withLock { _ = $0.insert(store.project) }
        waker.withLock { _ = $0?.yield() }
    }

    func run() async throws {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        waker.withLock { $0 = continuation }
        defer { waker.withLock { $0 = nil } }
        // What an earlier life of the service left.
        do {
            let all = try await projects.ids()
            changed.withLock { $0.formUnion(all) }
            continuation.yield()
        } catch {
            logger.error("the projects cannot be read", metadata: ["cause": "\(error)"])
        }
        var pause = Duration.seconds(1)
        // What was put off holds up nothing else.
        var reminder: Task<Void, any Error>?
        defer {
            reminder?.cancel()
            remind()
        }
        for await _ in wakes.cancelOnGracefulShutdown() {
            let due = changed.withLock { changed in
                defer { changed = [] }
                return changed
            }
            var isAway = false
            var later: Set<ProjectID> = []
            for project in due.sorted(by: { $0.text < $1.text }) where !Task.isShuttingDownGracefully {
                do {
                    guard let store = try await projects.current(project) else { continue }
                    switch await runOnce(store) {
                    case .done: break
                    case .later: later.insert(project)
                    case .away:
                        isAway = true
                        changed.withLock { _ = $0.insert(project) }
                    }
                } catch {
                    logger.error("a project's memory cannot be opened", metadata: ["project": "\(project)", "cause": "\(error)"])
                }
            }
            // One reminder at a time, for all that was put off until it comes: another would push it back, again and again where much is saved.
            let isFirst = putOff.withLock { putOff in
                defer { putOff.formUnion(later) }
                return putOff.isEmpty && !later.isEmpty
            }
            if isFirst {
                reminder = Task { [weak self] in
                    try await Task.sleep(for: Self.pauseOfPutOff)
                    self?.remind()
                    continuation.yield()
                }
            }
            guard isAway else {
                pause = .seconds(1)
                continue
            }
            // Work that comes meanwhile waits with the rest: what it needs is away.
            try? await cancelWhenGracefulShutdown { [pause] in try await Task.sleep(for: pause) }
            pause = min(pause * 2, Self.longestPause)
            continuation.yield()
        }
    }

    private func remind() {
        let due = putOff.withLock { putOff in
            defer { putOff = [] }
            return putOff
        }
        changed.withLock { $0.formUnion(due) }
    }

    /// What is left after a run.
    private enum Rest { case done, later, away }

    private func runOnce(_ store: MemoryStore) async -> Rest {
        let rest: Rest
        do {
            let outcome = try await run(store, batch: Self.batch)
            rest = outcome.failed + outcome.skipped == 0 ? .done : .later
        } catch {
            rest = .away
            logger.warning(
                "vectors are not in step yet; search by words goes on", metadata: ["project": "\(store.project)", "cause": "\(error)"])
        }
        await measure(store)
        return rest
    }

    private func measure(_ store: MemoryStore) async {
        guard let size = try? await store.queueSize() else { return }
        Gauge(label: "memory_sync_queue_size", dimensions: [("project_id", store.project.pseudonym)]).record(size)
    }

    /// Works through a project's queue, or writes everything anew.
    func run(_ store: MemoryStore, batch: Int, anew: Bool = false) async throws -> MemorySyncStats {
        let outcome = try await turns.take(store.project) { [clients, meaning, foreground] in
            // One that was forgotten meanwhile has nothing to write.
            guard try await offPool({ FileManager.default.fileExists(atPath: store.path.string) }) else { return MemorySyncStats() }
            return try await VectorSync(
                store: store, embedding: clients.embedding, vectors: clients.vectors, meaning: meaning, foreground: foreground
            ).run(batch: batch, anew: anew)
        }
        Counter(label: "memory_vectors_total", dimensions: [("action", "upsert")]).increment(by: outcome.synced)
        Counter(label: "memory_vectors_total", dimensions: [("action", "delete")]).increment(by: outcome.deleted)
        return outcome
    }

    /// Does something with a project while none of its vectors is written.
    func exclusively(_ store: MemoryStore, _ work: @escaping @Sendable () async throws -> Void) async throws {
        _ = try await turns.take(store.project) {
            try await work()
            return MemorySyncStats()
        }
    }
}

/// Lets one piece of work for a project run at a time.
private actor ProjectTurns {
    private var last: [ProjectID: Task<MemorySyncStats, any Error>] = [:]

    func take(_ project: ProjectID, _ work: @escaping @Sendable () async throws -> MemorySyncStats) async throws -> MemorySyncStats {
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
