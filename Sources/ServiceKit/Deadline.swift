import Foundation
import Synchronization

/// The time that was set for some work has passed.
public struct DeadlineExceeded: Error, Sendable, CustomStringConvertible {
    public let limit: Duration
    public var description: String { "no answer within \(limit.seconds.formatted()) s" }
}

/// Runs work and cancels it when it takes longer than a limit.
///
/// - Parameter executor: where it begins at once, on the thread of now, which must be one of the executor's; `nil`: on the cooperative pool.
/// - Throws: ``DeadlineExceeded`` when the limit passed first; whatever the work throws.
public func withDeadline<Value: Sendable>(
    _ limit: Duration, atOnceOn executor: (any TaskExecutor)? = nil, isolation: isolated (any Actor)? = #isolation,
    _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race()
    let timed: @Sendable () async throws -> Value = {
        // Its time begins with its first turn on the pool, and ends by a turn there, too: where nobody had one for long, that is not its fault.
        let alarm = Alarms.shared.set(after: limit) { Task { race.end(byWork: false) } }
        defer {
            Alarms.shared.clear(alarm)
            race.end(byWork: true)
        }
        return try await work()
    }
    let task =
        if #available(macOS 26, *), let executor {
            Task.immediate(executorPreference: executor, operation: timed)
        } else { Task(executorPreference: executor, operation: timed) }
    race.onTimeUp { task.cancel() }
    let result = await withTaskCancellationHandler {
        await task.result
    } onCancel: {
        task.cancel()
    }
    guard race.isWonByWork else { throw DeadlineExceeded(limit: limit) }
    return try result.get()
}

/// Which comes first, the end of the work or that of its time.
private final class Race: Sendable {
    private struct State {
        var isWonByWork: Bool?
        var onTimeUp: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var isWonByWork: Bool { state.withLock { $0.isWonByWork } ?? true }

    /// The first to end has won; when that is the time, what was asked for is done.
    func end(byWork: Bool) {
        let action = state.withLock { state in
            guard state.isWonByWork == nil else { return nil as (@Sendable () -> Void)? }
            state.isWonByWork = byWork
            return byWork ? nil : state.onTimeUp
        }
        action?()
    }

    /// - Parameter action: done when time is up, at once where it is already.
    func onTimeUp(_ action: @escaping @Sendable () -> Void) {
        let isUp = state.withLock { state in
            state.onTimeUp = action
            return state.isWonByWork == false
        }
        if isUp { action() }
    }
}
