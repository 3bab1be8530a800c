import Foundation
import Logging
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// The upkeep of memory as a service: it looks at the clock and has the memory service do what is due, project by project. It listens nowhere;
/// that it lives is told by its ``Heartbeat``, what it did by ``MaintenanceState``.
///
/// It asks the memory service instead of opening the databases itself: each is written by one process alone.
public struct MemoryMaintainer: Service {
    private let folders: DataFolders
    private let schedule: MaintenanceSchedule
    private let memory: MemoryClient
    private let logger: Logger
    private let now: @Sendable () -> Date
    /// Between two looks at the clock.
    private let tick: Duration

    public init(settings: Settings, clients: SuiteClients, logger: Logger) {
        self.init(settings: settings, clients: clients, logger: logger, tick: .seconds(1), now: { .now })
    }

    init(settings: Settings, clients: SuiteClients, logger: Logger, tick: Duration, now: @escaping @Sendable () -> Date) {
        folders = settings.dataFolders
        schedule = MaintenanceSchedule(settings)
        memory = clients.memory
        (self.logger, self.tick, self.now) = (logger, tick, now)
    }

    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup { group in
                group.addTask { try await beat() }
                group.addTask { try await work() }
                defer { group.cancelAll() }
                // Both go on until they are stopped.
                try await group.next()
            }
        }
    }

    private func beat() async throws {
        let started = Date.now
        while !Task.isCancelled {
            let beat = Heartbeat(.memoryMaintainer, pid: getpid(), startedAt: started, at: .now)
            do {
                try await offPool { [folders] in try beat.write(in: folders) }
            } catch {
                logger.error("the heartbeat cannot be written", metadata: ["cause": "\(error)"])
            }
            guard (try? await Task.sleep(for: Heartbeat.interval)) != nil else { return }
        }
    }

    private func work() async throws {
        var state = try await offPool { [folders] in MaintenanceState.read(in: folders) }
        while !Task.isCancelled {
            for job in schedule.due(state, at: now()) {
                try await run(job, &state)
                guard !Task.isCancelled else { return }
            }
            guard (try? await Task.sleep(for: tick)) != nil else { return }
        }
    }

    /// Runs what is due now, and notes it.
    func run(_ job: MaintenanceSchedule.Job, _ state: inout MaintenanceState) async throws {
        let before = state.jobs[job]
        let left = before.flatMap { schedule.left(of: job, after: $0, at: now()) }
        var run = MaintenanceState.Run(at: now(), after: before, isRepetition: left != nil)
        let outcome: Result<String, any Error>
        do {
            outcome = .success(try await perform(job, for: left))
        } catch {
            guard !Task.isCancelled else { return }
            outcome = .failure(error)
            // When not even the projects are known, the next run is for the same ones again.
            run.left = (error as? MaintenanceProblem)?.projects ?? left.map { $0.sorted() }
        }
        run.end(at: now(), outcome)
        state.jobs[job] = run
        switch outcome {
        case .success: logger.info("upkeep", metadata: ["job": "\(job.rawValue)", "outcome": "\(run.detail)"])
        case .failure:
            logger.warning(
                "upkeep failed", metadata: ["job": "\(job.rawValue)", "cause": "\(run.detail)", "in_a_row": "\(run.failures)"])
        }
        do {
            try await offPool { [folders, state] in try state.write(in: folders) }
        } catch {
            logger.error("what upkeep did cannot be noted", metadata: ["cause": "\(error)"])
        }
    }

    /// Does a job for every project; one that fails keeps no other from its turn.
    ///
    /// - Parameter left: the projects that it is done for; `nil`: all.
    /// - Returns: what was done.
    /// - Throws: ``MaintenanceProblem`` when it could not be done for some.
    private func perform(_ job: MaintenanceSchedule.Job, for left: Set<String>?) async throws -> String {
        let projects = try await memory.projects().filter { left?.contains($0.project_id) ?? true }
        var done = 0
        var problems: [(project: String, cause: String)] = []
        for project in projects {
            let id = project.project_id
            if let error = project.error {
                problems.append((id, error))
                continue
            }
            do {
                switch job {
                case .expiry: done += try await memory.removeExpired(id)
                case .sync:
                    let stats = try await memory.sync(id)
                    done += stats.synced + stats.deleted
                case .backup:
                    let made = try await memory.backUp(id, kind: "all")
                    done += made.backups.count
                    for warning in made.warnings {
                        logger.warning("a backup", metadata: ["project": "\(id)", "warning": "\(warning)"])
                    }
                case .integrity:
                    problems += try await memory.check(id).map { (id, $0) }
                    done += 1
                case .optimize:
                    try await memory.optimize(id)
                    done += 1
                case .digest: done += try await memory.digest(id).conversations
                }
            } catch let error as CancellationError {
                throw error
            } catch let error as UpstreamError where error.code == Projects.unknownCode {
                // Forgotten since it was listed: nothing is left to do for it.
                continue
            } catch {
                problems.append((id, "\(error)"))
            }
        }
        guard problems.isEmpty else { throw MaintenanceProblem(problems) }
        return "\(done) \(Self.unit(of: job)), \(projects.count) projects"
    }

    private static func unit(of job: MaintenanceSchedule.Job) -> String {
        switch job {
        case .expiry: "conversations removed"
        case .sync: "vectors written or removed"
        case .backup: "backups made and compared"
        case .integrity: "memories agree with their index and vectors"
        case .optimize: "memories made small"
        case .digest: "conversations looked through"
        }
    }
}

/// What upkeep could not do.
private struct MaintenanceProblem: Error, CustomStringConvertible {
    let description: String
    /// For which it could not be done.
    let projects: [String]

    init(_ problems: [(project: String, cause: String)]) {
        let rest = problems.count > 3 ? ", and \(problems.count - 3) more" : ""
        description = problems.prefix(3).map { "\($0): \($1)" }.joined(separator: "; ") + rest
        projects = Set(problems.map(\.project)).sorted()
    }
}
