import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import ServiceKit

@Suite("Deadlines")
struct DeadlineTests {
    @Test("Work that is done in time comes back with what it gave or threw")
    func inTime() async throws {
        struct Broken: Error {}
        #expect(try await withDeadline(.seconds(60)) { 7 } == 7)
        await #expect(throws: Broken.self) { try await withDeadline(.seconds(60)) { throw Broken() } }
    }

    @Test("Work that takes longer is cancelled, and its caller is told the limit")
    func late() async {
        let wasCancelled = Mutex(false)
        let error = await #expect(throws: DeadlineExceeded.self) {
            try await withDeadline(.milliseconds(20)) {
                defer { wasCancelled.withLock { $0 = Task.isCancelled } }
                try await Task.sleep(for: .seconds(600))
            }
        }
        #expect(error?.limit == .milliseconds(20))
        #expect(wasCancelled.withLock { $0 })
    }

    @Test("Who is cancelled cancels the work")
    func cancelled() async {
        let call = Task { try await withDeadline(.seconds(600)) { try await Task.sleep(for: .seconds(600)) } }
        call.cancel()
        await #expect(throws: CancellationError.self) { try await call.value }
    }

    @Test("Work that begins at once stays on the thread of its connection, before its waits and after them")
    func atOnce() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let executor = EventLoopExecutor(loop)
        let places = try await withTaskExecutorPreference(executor) {
            try await withDeadline(.seconds(60), atOnceOn: executor) {
                let before = loop.inEventLoop
                try await Task.sleep(for: .milliseconds(1))
                return [before, loop.inEventLoop]
            }
        }
        #expect(places == [true, true])
        // Without that it is the pool's, whoever waits for it.
        let isOnLoop = try await withTaskExecutorPreference(executor) { try await withDeadline(.seconds(60)) { loop.inEventLoop } }
        #expect(!isOnLoop)
    }

    @Test("Alarms ring once each in the order of their times, those that are cleared never, and none stays behind")
    func order() async {
        let alarms = Alarms()
        let (rung, ring) = AsyncStream.makeStream(of: Int.self)
        for delay in [60, 20, 40] { _ = alarms.set(after: .milliseconds(delay)) { ring.yield(delay) } }
        alarms.clear(alarms.set(after: .milliseconds(10)) { ring.yield(10) })
        _ = alarms.set(after: .milliseconds(80)) { ring.finish() }
        #expect(await rung.reduce(into: []) { $0.append($1) } == [20, 40, 60])
        #expect(alarms.count == 0)
    }

    @Test("An alarm may set another one, and a time that never comes is no harm")
    func nested() async {
        let alarms = Alarms()
        let never = alarms.set(after: .seconds(Int64.max)) {}
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            _ = alarms.set(after: .zero) { _ = alarms.set(after: .milliseconds(1)) { done.resume() } }
        }
        alarms.clear(never)
        #expect(alarms.count == 0)
    }
}
