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
    let hasPassed = Atomic(false)
    let task = Task { try await work() }
    let alarm = Alarms.shared.set(after: limit) {
        hasPassed.store(true, ordering: .relaxed)
        task.cancel()
    }
    defer { Alarms.shared.clear(alarm) }
    let result = await withTaskCancellationHandler {
        await task.result
    } onCancel: {
        task.cancel()
    }
    guard !hasPassed.load(ordering: .relaxed) else { throw DeadlineExceeded(limit: limit) }
    return try result.get()
}
