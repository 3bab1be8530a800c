import Foundation
import Synchronization

/// The time that was set for some work has passed.
public struct DeadlineExceeded: Error, Sendable, CustomStringConvertible {
    public let limit: Duration
    public var description: String { "no answer within \(limit.seconds.formatted()) s" }
}

/// Runs work and cancels it when it takes longer than a limit.
///
/// - Throws: ``DeadlineExceeded`` when the limit passed first; whatever the work throws.
public func withDeadline<Value: Sendable>(
    _ limit: Duration, isolation: isolated (any Actor)? = #isolation, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race()
    let task = Task {
        defer { _ = race.isWon(byWork: true) }
        return try await work()
    }
    let alarm = Alarms.shared.set(after: limit) {
        // On the pool, as the work: where that had no turn for long, it is not its fault, and it has it first.
        Task { if race.isWon(byWork: false) { task.cancel() } }
    }
    defer { Alarms.shared.clear(alarm) }
    let result = await withTaskCancellationHandler {
        await task.result
    } onCancel: {
        task.cancel()
    }
    guard race.isWon(byWork: true) else { throw DeadlineExceeded(limit: limit) }
    return try result.get()
}

/// Which came first, the end of the work or that of its time.
private final class Race: Sendable {
    private let winner = Mutex<Bool?>(nil)

    /// Whether this side came first; the first to ask has.
    func isWon(byWork: Bool) -> Bool {
        winner.withLock { winner in
            winner = winner ?? byWork
            return winner == byWork
        }
    }
}
