/// How long to wait before a child is started again: 1, 2, 4 … 30 seconds, from the beginning again once it ran well for a minute.
public struct RestartBackoff: Sendable {
    /// Starts that ended too soon, in a row.
    public private(set) var failures = 0
    private let first: Duration
    private let longest: Duration
    private let healthyAfter: Duration

    public init(first: Duration = .seconds(1), longest: Duration = .seconds(30), healthyAfter: Duration = .seconds(60)) {
        self.first = first
        self.longest = longest
        self.healthyAfter = healthyAfter
    }

    /// The wait after the child ended.
    ///
    /// - Parameter lifetime: how long it had run.
    public mutating func wait(afterRunning lifetime: Duration) -> Duration {
        failures = lifetime >= healthyAfter ? 1 : failures + 1
        var wait = first
        for _ in 1..<failures where wait < longest { wait *= 2 }
        return min(wait, longest)
    }
}
