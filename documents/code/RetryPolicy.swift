import Foundation

/// Decides whether a failed call to another service is tried again, and after how long.
///
/// The policy is a plain value: it never sleeps and never reads a clock. The caller asks it for the next
/// delay and does the waiting itself, so a test runs through every attempt in no time.
struct RetryPolicy: Sendable {
    /// How many times a call is made in all, the first one included.
    var maximumAttempts = 4
    /// The pause before the second attempt. Each further pause doubles it.
    var firstDelay: Duration = .milliseconds(150)
    /// No single pause is longer than this, unless the server asked for more with `Retry-After`.
    var longestDelay: Duration = .seconds(6)

    /// What the caller learned from one attempt.
    enum Failure: Sendable {
        case connectionRefused
        case timedOut
        case status(code: Int, retryAfter: Duration?)
    }

    /// The pause before the next attempt, or nil when the failure is final.
    ///
    /// - Parameters:
    ///   - attempt: the number of attempts already made, starting at 1.
    ///   - isIdempotent: false for calls that must not run twice, such as sending a message.
    ///   - jitter: a number between 0 and 1, drawn by the caller.
    func delay(after failure: Failure, attempt: Int, isIdempotent: Bool, jitter: Double) -> Duration? {
        guard attempt < maximumAttempts else { return nil }
        switch failure {
        case .connectionRefused:
            // Nothing reached the server, so a repeat is safe even for calls that must not run twice.
            return backoff(attempt: attempt, jitter: jitter)
        case .timedOut:
            return isIdempotent ? backoff(attempt: attempt, jitter: jitter) : nil
        case .status(let code, let retryAfter):
            guard isIdempotent, Self.isTransient(code) else { return nil }
            return retryAfter ?? backoff(attempt: attempt, jitter: jitter)
        }
    }

    /// Full jitter: anything from zero up to the doubled delay, so that many clients do not come back in step.
    private func backoff(attempt: Int, jitter: Double) -> Duration {
        let doubled = firstDelay * Int(pow(2.0, Double(attempt - 1)))
        return min(doubled, longestDelay) * jitter
    }

    private static func isTransient(_ code: Int) -> Bool {
        [408, 425, 429, 502, 503, 504].contains(code)
    }
}
