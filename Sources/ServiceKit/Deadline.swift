import Foundation

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
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw DeadlineExceeded(limit: limit)
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
