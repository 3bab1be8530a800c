/// How often and after which waits a call is repeated: exponential, with full jitter
/// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
public struct RetryPolicy: Sendable {
    /// Attempts in all; 1 never repeats.
    public let attempts: Int
    public let firstWait: Duration
    public let longestWait: Duration

    public init(attempts: Int, firstWait: Duration = .milliseconds(200), longestWait: Duration = .seconds(5)) {
        self.attempts = max(1, attempts)
        self.firstWait = firstWait
        self.longestWait = longestWait
    }

    public static let never = RetryPolicy(attempts: 1)

    /// The longest wait before an attempt, counted from 1; the wait itself is drawn between nothing and this.
    public func ceiling(beforeAttempt attempt: Int) -> Duration {
        guard attempt > 1 else { return .zero }
        var wait = firstWait
        for _ in 0..<(attempt - 2) where wait < longestWait { wait *= 2 }
        return min(wait, longestWait)
    }

    /// Runs a call, and again after a wait while it fails with an ``UpstreamError`` that may pass.
    ///
    /// - Parameter mayPass: which errors those are; the transient ones, where a call may be repeated whatever became of it.
    /// - Throws: the last error.
    public func run<Value: Sendable>(
        while mayPass: @Sendable (UpstreamError) -> Bool = \.isTransient, _ call: @Sendable () async throws -> Value
    ) async throws -> Value {
        for attempt in 1..<attempts {
            do {
                return try await call()
            } catch let error as UpstreamError where mayPass(error) {
                let ceiling = ceiling(beforeAttempt: attempt + 1)
                // What the other side asks for counts, though nobody waits for an hour because it says so.
                let asked = min(error.retryAfter ?? .zero, longestWait)
                try await Task.sleep(for: max(asked, ceiling * Double.random(in: 0...1)))
            }
        }
        return try await call()
    }
}
