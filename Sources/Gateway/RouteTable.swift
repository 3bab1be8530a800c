import ServiceKit
import Synchronization

/// Which upstreams serve a model name, best first.
final class RouteTable: Sendable {
    private struct State {
        var breakers: [Upstream: Breaker] = [:]
        var realNames: [String: [Upstream]] = [:]
        var nextLesson: ContinuousClock.Instant?
    }

    private let aliases: [(name: String, upstreams: [Upstream])]
    private let state = Mutex(State())
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter aliases: each offered name with its upstreams, the primary first.
    init(aliases: [(name: String, upstreams: [Upstream])], now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.aliases = aliases
        self.now = now
    }

    /// The names that are offered.
    var names: [String] { aliases.map(\.name) }

    /// Every upstream, once.
    var upstreams: [Upstream] {
        aliases.flatMap(\.upstreams).reduce(into: []) { all, upstream in if !all.contains(upstream) { all.append(upstream) } }
    }

    /// The upstreams to try for a model, in order: those whose breaker is closed, then the others, since a try may be better than a refusal.
    ///
    /// - Throws: 404 for a model nobody offers.
    func candidates(for model: String) throws -> [Upstream] {
        let moment = now()
        return try state.withLock { state in
            let listed: [Upstream]
            if let alias = aliases.first(where: { $0.name == model }) {
                listed = alias.upstreams
            } else if let upstreams = state.realNames[model] {
                listed = upstreams
            } else {
                throw ServiceError.notFound(
                    "The model “\(model.prefix(100))” does not exist here. GET /v1/models lists what does.", code: "model_not_found")
            }
            let open = listed.filter { !(state.breakers[$0, default: Breaker()].allows(at: moment)) }
            return listed.filter { !open.contains($0) } + open
        }
    }

    func recordSuccess(_ upstream: Upstream) { state.withLock { $0.breakers[upstream, default: Breaker()].recordSuccess() } }

    func recordFailure(_ upstream: Upstream) {
        let moment = now()
        state.withLock { $0.breakers[upstream, default: Breaker()].recordFailure(at: moment) }
    }

    /// Whether upstreams may be asked for their models' names now: every few seconds at the most.
    func mayLearn() -> Bool {
        let moment = now()
        return state.withLock { state in
            guard state.nextLesson.map({ moment >= $0 }) ?? true else { return false }
            state.nextLesson = moment.advanced(by: .seconds(3))
            return true
        }
    }

    /// Remembers the names that an upstream itself gives its models, so that they can be asked for too, in place of those it gave before.
    func learn(_ models: [String], of upstream: Upstream) {
        let order = upstreams
        state.withLock { state in
            for name in Set(state.realNames.keys).union(models) {
                var known = Set(state.realNames[name] ?? [])
                if models.contains(name) { known.insert(upstream) } else { known.remove(upstream) }
                // In the order of the table: of several that serve a name the first is asked first.
                state.realNames[name] = known.isEmpty ? nil : order.filter(known.contains)
            }
        }
    }
}
