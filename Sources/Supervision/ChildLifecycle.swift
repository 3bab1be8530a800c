import ServiceKit

/// The life of one supervised service. Pure: what happened comes in with its time, what to do comes out; the ``Supervisor`` does it.
///
///     waiting ─ dependencies answer ─▶ starting ─ answers ─▶ alive ◀─▶ ready
///                                          │                   │         │
///                                          └──────── ended ────┴─────────┘
///                                                      ▼
///                                                 backing off ─ pause over ─▶ starting
struct ChildLifecycle: Sendable {
    typealias Phase = SupervisorState.Child.Phase

    /// What a look at a service found.
    enum Probe: Sendable, Equatable {
        case ready
        /// The process answers, but cannot do its work yet, and says why.
        case alive(String)
        case silent(String)
    }

    enum Action: Sendable, Equatable {
        case none
        /// End the process: it is up, and yet it does not answer.
        case end
    }

    /// How long a service that answered before may be silent. Generous: a machine that swaps or reads a large model is slow, not hung.
    static let patience = Duration.seconds(60)

    private(set) var phase = Phase.waiting
    /// Why it last ended, or what it waits for.
    private(set) var reason: String?
    /// Starts after the first.
    private(set) var restarts = 0
    /// Lives in a row that ended without the service having been ready for long.
    var failures: Int { backoff.failures }
    private let startTimeout: Duration
    private var backoff = RestartBackoff()
    private var started: ContinuousClock.Instant?
    /// When this life was ready for the first time: what never was had no good life, however long it took to fail.
    private var readySince: ContinuousClock.Instant?
    private var lastAnswer: ContinuousClock.Instant?

    /// - Parameter startTimeout: how long a process may take until it answers at all.
    init(startTimeout: Duration) { self.startTimeout = startTimeout }

    /// Whether what depends on this service may start: it answers, or it has failed and should not hold up the others.
    var letsDependentsStart: Bool { phase == .alive || phase == .ready || failures > 0 }

    mutating func start(at now: ContinuousClock.Instant) {
        if started != nil { restarts += 1 }
        phase = .starting
        reason = nil
        started = now
        readySince = nil
        lastAnswer = nil
    }

    /// Takes in what a look at the running process found.
    mutating func saw(_ probe: Probe, at now: ContinuousClock.Instant) -> Action {
        switch probe {
        case .ready:
            phase = .ready
            reason = nil
            readySince = readySince ?? now
            lastAnswer = now
        case .alive(let why):
            phase = .alive
            reason = why
            lastAnswer = now
        case .silent(let why):
            phase = .starting
            reason = why
            let limit = lastAnswer == nil ? startTimeout : Self.patience
            if let since = lastAnswer ?? started, since.duration(to: now) > limit {
                reason = "no answer for \(Int(limit.seconds)) s: \(why)"
                return .end
            }
        }
        return .none
    }

    /// Takes in that the process ended.
    ///
    /// - Returns: how long to wait before the next start.
    mutating func ended(_ how: String, at now: ContinuousClock.Instant) -> Duration {
        let wait = backoff.wait(afterRunning: readySince?.duration(to: now) ?? .zero)
        phase = .backingOff
        reason = "\(how); next start in \(Int(wait.seconds)) s"
        return wait
    }

    mutating func stop() { phase = .stopped }
}
