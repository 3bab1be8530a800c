import ServiceKit
import Testing

@Suite("Slots")
struct SlotsTests {
    @Test("No more than the limit work at once, and everybody has his turn")
    func bounds() async throws {
        let slots = Slots(limit: 2)
        let count = Count()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await slots.withSlot {
                        await count.enter()
                        await Task.yield()
                        await count.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await count.most == 2)
        #expect(await (count.done, count.now) == (50, 0))
    }

    private actor Count {
        var (now, most, done) = (0, 0, 0)

        func enter() { (now, most) = (now + 1, max(most, now + 1)) }
        func leave() { (now, done) = (now - 1, done + 1) }
    }

    @Test("Whoever is cancelled or loses patience while waiting leaves the line, and takes no place")
    func cancelled() async throws {
        let slots = Slots(limit: 1)
        let (released, release) = AsyncStream<Void>.makeStream()
        let (began, begin) = AsyncStream<Void>.makeStream()
        let first = Task {
            try await slots.withSlot {
                begin.finish()
                for await _ in released {}
            }
        }
        for await _ in began {}
        let second = Task { try await slots.withSlot {} }
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        let late = await #expect(throws: DeadlineExceeded.self) { try await slots.withSlot(within: .milliseconds(10)) {} }
        #expect(late?.limit == .milliseconds(10))
        release.finish()
        try await first.value
        try await slots.withSlot(within: .seconds(60)) {}
        try await slots.withSlot {}
        struct Failure: Error {}
        await #expect(throws: Failure.self) { try await slots.withSlot { throw Failure() } }
        try await slots.withSlot {}
    }
}
