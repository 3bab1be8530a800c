import HTTPTypes
import Security
import ServiceKit
import SuiteAPI
import Synchronization
import Testing

@Suite("Limits of calls")
struct RateLimiterTests {
    /// An instant that a test moves.
    private final class Moment: Sendable {
        private let instant = Mutex(ContinuousClock.now)

        var now: ContinuousClock.Instant { instant.withLock { $0 } }
        func move(_ duration: Duration) { instant.withLock { $0 += duration } }
    }

    private func tool(_ name: String) throws -> ToolDescriptor { try #require(ToolCatalogue.all.first { $0.name == name }) }

    private func error(_ call: () throws -> some Any) -> ServiceError? {
        do {
            _ = try call()
            return nil
        } catch {
            return error as? ServiceError
        }
    }

    @Test("S9: exactly calls + burst are let in in a window, for each caller by itself, and the next when the first is over")
    func exact() throws {
        let moment = Moment()
        let limiter = RateLimiter(now: { moment.now })
        let tool = try tool("git_log")
        for caller in ["a", "b"] {
            for _ in 0..<35 { try limiter.admit(tool: tool, caller: caller).release() }
            let refused = error { try limiter.admit(tool: tool, caller: caller) }
            #expect(refused?.status.code == 429 && refused?.code == "rate_limited" && refused?.retryAfter == .seconds(60))
        }
        moment.move(.milliseconds(59_999))
        #expect(error { try limiter.admit(tool: tool, caller: "a") }?.retryAfter == .seconds(1))
        moment.move(.milliseconds(1))
        for _ in 0..<35 { try limiter.admit(tool: tool, caller: "a").release() }
        #expect(limiter.usage(tool, caller: "a").remaining == 0)
        #expect(limiter.usage(tool, caller: "b").remaining == 35)
    }

    @Test("The window slides: calls come free one by one, at the moment that Retry-After names")
    func sliding() throws {
        let moment = Moment()
        let limiter = RateLimiter(now: { moment.now })
        let tool = try tool("execute_python")
        for _ in 0..<12 {
            try limiter.admit(tool: tool, caller: "a").release()
            moment.move(.seconds(1))
        }
        for _ in 0..<12 {
            let wait = try #require(error { try limiter.admit(tool: tool, caller: "a") }?.retryAfter)
            moment.move(wait - .nanoseconds(1))
            #expect(error { try limiter.admit(tool: tool, caller: "a") } != nil)
            moment.move(.nanoseconds(1))
            try limiter.admit(tool: tool, caller: "a").release()
        }
    }

    @Test("Calls at once are limited; a place is given back by release, once, or when the permit is gone")
    func concurrency() throws {
        let limiter = RateLimiter()
        let tool = try tool("git_commit")
        let first = try limiter.admit(tool: tool, caller: "a")
        do {
            let second = try limiter.admit(tool: tool, caller: "a")
            #expect(error { try limiter.admit(tool: tool, caller: "a") }?.code == "concurrency_limited")
            _ = try limiter.admit(tool: tool, caller: "b")
            withExtendedLifetime(second) {}
        }
        #expect(limiter.usage(tool, caller: "a").concurrent == 1)
        first.release()
        first.release()
        #expect(limiter.usage(tool, caller: "a").concurrent == 0)
        // What was refused for calls at once was not counted among calls.
        #expect(limiter.usage(tool, caller: "a").used == 2)
    }

    @Test("10,000 callers leave nothing behind when their windows are over")
    func growth() throws {
        let moment = Moment()
        let limiter = RateLimiter(now: { moment.now })
        let tool = try tool("git_log")
        for round in 0..<10 {
            for number in 0..<1_000 { try limiter.admit(tool: tool, caller: "\(round)-\(number)").release() }
            moment.move(.seconds(61))
        }
        #expect(limiter.entryCount <= 2_000)
    }

    @Test("weakness_14_RATE_LIMIT_ENABLED=false_lets_everything_pass")
    func disabled() throws {
        let limiter = RateLimiter(isEnabled: false)
        let tool = try tool("git_commit")
        var held: [RateLimiter.Permit] = []
        for _ in 0..<100 { held.append(try limiter.admit(tool: tool, caller: "a")) }
        #expect(held.count == 100 && limiter.entryCount == 0)
    }
}
