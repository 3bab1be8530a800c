import Testing

@testable import Memory

@Suite("Work in the background steps back")
struct ForegroundActivityTests {
    @Test("Where nobody waits, nothing is waited for")
    func quiet() async throws { #expect(try await ForegroundActivity().quiet(atMost: .zero)) }

    @Test("After a call it is quiet again by itself", .timeLimit(.minutes(1)))
    func after() async throws {
        let activity = ForegroundActivity()
        activity.note()
        #expect(try await activity.quiet(atMost: .seconds(600)))
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
        _ = try await activity.quiet(atMost: .milliseconds(50))
        calls.cancel()
        await calls.value
    }
}
