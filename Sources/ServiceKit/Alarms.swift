import Dispatch
import Synchronization

/// Calls back at set times, all by one timer.
///
/// A sleeping task for each would do as well, but one that is cancelled leaves its timer behind until the time has come: a thousand
/// requests a second with two minutes each are a hundred thousand of them.
final class Alarms: Sendable {
    static let shared = Alarms()

    private struct Alarm {
        let time: DispatchTime
        let ring: @Sendable () -> Void
    }

    private struct State {
        let timer: any DispatchSourceTimer
        var alarms: [UInt64: Alarm] = [:]
        var lastID: UInt64 = 0
        /// When the timer goes off, if it is set; never later than the first of the alarms.
        var next: DispatchTime?
    }

    private let state: Mutex<State>

    init() {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "alarms"))
        state = Mutex(State(timer: timer))
        state.withLock { state in
            state.timer.setEventHandler { [weak self] in self?.ring() }
            state.timer.activate()
        }
    }

    /// - Parameter ring: called once, unless it is cleared before; must not block.
    /// - Returns: what ``clear(_:)`` takes.
    func set(after duration: Duration, _ ring: @escaping @Sendable () -> Void) -> UInt64 {
        let time = DispatchTime.now() + .nanoseconds(Int(duration.nanoseconds))
        return state.withLock { state in
            state.lastID += 1
            state.alarms[state.lastID] = Alarm(time: time, ring: ring)
            if state.next.map({ time < $0 }) ?? true { schedule(time, &state) }
            return state.lastID
        }
    }

    func clear(_ id: UInt64) { state.withLock { _ = $0.alarms.removeValue(forKey: id) } }

    /// How many are set.
    var count: Int { state.withLock { $0.alarms.count } }

    private func ring() {
        let due = state.withLock { state in
            let now = DispatchTime.now()
            let due = state.alarms.filter { $0.value.time <= now }
            for id in due.keys { state.alarms[id] = nil }
            state.next = nil
            if let time = state.alarms.values.map(\.time).min() { schedule(time, &state) }
            return due.values.sorted { $0.time < $1.time }
        }
        for alarm in due { alarm.ring() }
    }

    private func schedule(_ time: DispatchTime, _ state: inout State) {
        state.next = time
        state.timer.schedule(deadline: time, leeway: .milliseconds(1))
    }
}
