import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI
import Synchronization

/// What a caller has used of a tool's limit.
public struct RateUsage: Sendable, Codable, Equatable {
    /// Calls that may be made in any window, burst included.
    public let limit: Int
    public let used: Int
    public let remaining: Int
    public let window_seconds: Int
    /// Seconds until one more call is free; 0 while one is.
    public let retry_after_seconds: Int
    public let concurrent: Int
    public let max_concurrent: Int
}

/// Limits calls by tool and caller: `calls` + `burst` in any window of `seconds` (a true sliding window), and so many at once. What nobody
/// uses any more is forgotten.
public final class RateLimiter: Sendable {
    private struct Key: Hashable {
        let tool: String
        let caller: String
    }

    private struct Entry {
        /// When calls were let through, oldest first; never more than the limit.
        var times: [ContinuousClock.Instant] = []
        var running = 0
        var window: Duration

        mutating func forget(before now: ContinuousClock.Instant) {
            let window = window
            times.removeFirst(times.prefix { now - $0 >= window }.count)
        }
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// How many entries there may be before the next look for those that can go.
        var purgeAt = RateLimiter.leastPurge
    }

    private static let leastPurge = 256
    private let state = Mutex(State())
    private let isEnabled: Bool
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter isEnabled: `RATE_LIMIT_ENABLED`; without, everything passes.
    public init(isEnabled: Bool = true, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) {
        self.isEnabled = isEnabled
        self.now = now
    }

    /// A call that was let in. Its place among those at once is given back by ``release()``, or when nobody holds it any more.
    public final class Permit: Sendable {
        private let giveBack: Mutex<(@Sendable () -> Void)?>

        init(_ giveBack: (@Sendable () -> Void)?) { self.giveBack = Mutex(giveBack) }

        public func release() {
            let once = giveBack.withLock { held in
                defer { held = nil }
                return held
            }
            once?()
        }

        deinit { release() }
    }

    /// Lets a call in, or refuses it; a refused call counts for nothing.
    ///
    /// - Throws: 429 `rate_limited` with the seconds until a call is free, or 429 `concurrency_limited`.
    public func admit(tool: ToolDescriptor, caller: String) throws -> Permit {
        guard isEnabled else { return Permit(nil) }
        let key = Key(tool: tool.name, caller: caller)
        let limit = tool.limit
        let moment = now()
        try state.withLock { state in
            Self.purge(&state, at: moment)
            var entry = state.entries[key] ?? Entry(window: .seconds(limit.seconds))
            entry.forget(before: moment)
            if let wait = Self.wait(entry, limit, at: moment) {
                throw ServiceError(
                    .tooManyRequests, code: "rate_limited",
                    "Rate limit exceeded for \(tool.name): \(limit.calls + limit.burst) calls in \(limit.seconds) seconds. Try again in \(wait) seconds.",
                    retryAfter: .seconds(wait))
            }
            guard entry.running < limit.concurrent else {
                throw ServiceError(
                    .tooManyRequests, code: "concurrency_limited",
                    "Concurrent execution limit exceeded for \(tool.name) (max: \(limit.concurrent)). Try again when one of your calls is done.",
                    retryAfter: .seconds(1))
            }
            entry.times.append(moment)
            entry.running += 1
            state.entries[key] = entry
        }
        return Permit { [weak self] in self?.leave(key) }
    }

    /// What a caller has used of a tool's limit at this moment.
    public func usage(_ tool: ToolDescriptor, caller: String) -> RateUsage {
        let limit = tool.limit
        let moment = now()
        let entry = state.withLock { state in
            var entry = state.entries[Key(tool: tool.name, caller: caller)] ?? Entry(window: .seconds(limit.seconds))
            entry.forget(before: moment)
            return entry
        }
        let allowed = limit.calls + limit.burst
        return RateUsage(
            limit: allowed, used: entry.times.count, remaining: max(0, allowed - entry.times.count), window_seconds: limit.seconds,
            retry_after_seconds: Self.wait(entry, limit, at: moment) ?? 0, concurrent: entry.running, max_concurrent: limit.concurrent)
    }

    /// How many callers of tools are remembered.
    public var entryCount: Int { state.withLock { $0.entries.count } }

    private func leave(_ key: Key) {
        let moment = now()
        state.withLock { state in
            guard var entry = state.entries[key] else { return }
            entry.running -= 1
            entry.forget(before: moment)
            state.entries[key] = entry.running == 0 && entry.times.isEmpty ? nil : entry
        }
    }

    /// Whole seconds until a call is free, rounded up, so that who waits as long as told is let in; `nil` while one is free.
    private static func wait(_ entry: Entry, _ limit: ToolDescriptor.Limit, at now: ContinuousClock.Instant) -> Int? {
        let allowed = limit.calls + limit.burst
        guard entry.times.count >= allowed, let oldest = entry.times.first else { return nil }
        let rest = (oldest.advanced(by: entry.window) - now).components
        return Int(rest.seconds) + (rest.attoseconds > 0 ? 1 : 0)
    }

    /// Removes what is idle. Done only when entries have doubled since the last time, so that it costs little a call.
    private static func purge(_ state: inout State, at now: ContinuousClock.Instant) {
        guard state.entries.count >= state.purgeAt else { return }
        state.entries = state.entries.filter { _, entry in
            entry.running > 0 || entry.times.last.map { now - $0 < entry.window } == true
        }
        state.purgeAt = max(leastPurge, state.entries.count * 2)
    }
}
