import Testing

@testable import Memory

@Suite("Work in the background steps back")
struct ForegroundActivityTests {
    @Test("Where nobody waits, nothing is waited for", .timeLimit(.minutes(1)))
    func quiet() async throws { try await ForegroundActivity().quiet(atMost: .seconds(600)) }

    @Test("After a call it is waited until it has been quiet for a while", .timeLimit(.minutes(1)))
    func after() async throws {
        let activity = ForegroundActivity()
        let called = ContinuousClock.now
        activity.note()
        try await activity.quiet(atMost: .seconds(600))
        #expect(ContinuousClock.now - called >= .milliseconds(100))
    }

    @Test("However many call, it is waited no longer than it may", .timeLimit(.minutes(1)))
    func bounded() async throws {
        let activity = ForegroundActivity()
        let calls = Task {
            while !Task.isCancelled {
                activity.note()
                await Task.yield()
            }
        }
        try await activity.quiet(atMost: .milliseconds(50))
        calls.cancel()
        await calls.value
    }
}
