import AsyncAlgorithms
import Foundation
import Hummingbird
import Metrics
import ServiceKit
import ServiceLifecycle
import Suite

/// Metrics that are looked at instead of counted: what the maintainer, which listens nowhere, does; how much is remembered; whether it is
/// searched by meaning.
struct MemoryGauges: Service {
    let service: MemoryService
    /// Every so many looks the conversations are counted, which takes a while where there are millions.
    private static let rounds = 12

    func run() async throws {
        var round = 0
        await measure(counting: true)
        for await _ in AsyncTimerSequence(interval: Heartbeat.interval, clock: .continuous).cancelOnGracefulShutdown() {
            round += 1
            await measure(counting: round.isMultiple(of: Self.rounds))
        }
    }

    func measure(counting: Bool) async {
        let folders = service.settings.dataFolders
        if let (beat, state) = try? await offPool({
            (Heartbeat.last(of: .memoryMaintainer, in: folders), MaintenanceState.read(in: folders))
        }) {
            Gauge(label: "memory_maintainer_heartbeat_timestamp_seconds").record(beat?.at.timeIntervalSince1970 ?? 0)
            Gauge(label: "memory_maintainer_up").record(beat?.isFresh() == true ? 1 : 0)
            for job in MaintenanceSchedule.Job.allCases {
                let labels = [("job", job.rawValue)]
                Gauge(label: "memory_maintainer_last_success_timestamp_seconds", dimensions: labels)
                    .record(state.jobs[job]?.succeededAt?.timeIntervalSince1970 ?? 0)
                Gauge(label: "memory_maintainer_failures", dimensions: labels).record(state.jobs[job]?.failures ?? 0)
            }
        }
        Gauge(label: "memory_api_vector_search_enabled").record(await service.vectorProblem() == nil ? 1 : 0)
        guard counting, let all = try? await service.projects.ids() else { return }
        for project in all {
            guard let count = try? await service.projects.current(project)?.count() else { continue }
            Gauge(label: "memory_api_active_conversations", dimensions: [("project_id", project.pseudonym)]).record(count)
        }
    }
}

extension Route {
    /// The same route, counted and timed under the names that the reference system gave them.
    var measured: Route {
        handled { [handler, method, path] request, context in
            let start = ContinuousClock.now
            func note(_ status: Int) {
                let labels = [("method", method.rawValue), ("endpoint", path)]
                Counter(label: "memory_api_requests_total", dimensions: labels + [("status", "\(status)")]).increment()
                Timer(label: "memory_api_request_duration_seconds", dimensions: labels)
                    .recordNanoseconds(start.duration(to: .now).nanoseconds)
            }
            do {
                let response = try await handler(request, context)
                note(Int(response.status.code))
                return response
            } catch {
                note(Int((error as? ServiceError)?.status.code ?? (error as? UpstreamError)?.asServiceError.status.code ?? 500))
                throw error
            }
        }
    }
}
