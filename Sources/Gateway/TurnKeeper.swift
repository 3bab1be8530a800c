import Logging
import Metrics
import ServiceKit
import ServiceLifecycle
import SuiteAPI
import Synchronization

/// Has turns kept behind the back of those who wait for answers: one after the other, so that they stand in memory in the order in which
/// they were said. So many wait at the most; and what waits when the service is told to stop is kept before it does.
final class TurnKeeper: Service {
    /// Turns that wait.
    static let limit = 64
    /// Before further tries while memory is away: long enough for a service to be started again.
    static let pauses: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4)]

    private struct Turn: Sendable {
        let request: SaveConversationRequest
        /// Of the chat, so that the save is found under its id.
        let scope: RequestScope?
    }

    private struct State {
        var waiting: [Turn] = []
        /// Of the run that goes on; `nil` while none does.
        var waker: AsyncStream<Void>.Continuation?
    }

    private let client: MemoryClient
    private let limit: Duration
    private let pauses: [Duration]
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter limit: for a save; less than the time that a service has to stop.
    init(client: MemoryClient, limit: Duration = .seconds(5), pauses: [Duration] = TurnKeeper.pauses, logger: Logger) {
        self.client = client
        self.limit = limit
        self.pauses = pauses
        self.logger = logger
    }

    /// Has a turn kept as soon as it may be. Waits for nothing.
    ///
    /// - Parameter scope: that of the chat, which is over when its answer is.
    func keep(_ request: SaveConversationRequest, scope: RequestScope? = nil) {
        let isTaken = state.withLock { state in
            guard state.waiting.count < Self.limit else { return false }
            state.waiting.append(Turn(request: request, scope: scope))
            state.waker?.yield()
            return true
        }
        if !isTaken { drop("too many turns wait to be kept") }
    }

    /// Tells of a turn that is not kept.
    func drop(_ reason: String) {
        count("dropped")
        logger.warning("a turn is not remembered", metadata: ["cause": "\(reason)"])
    }

    func run() async throws {
        let (wakes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.waker = continuation }
        defer { state.withLock { $0.waker = nil } }
        continuation.yield()
        for await _ in wakes.cancelOnGracefulShutdown() { await keepWhatWaits() }
        // The server has stopped before: nothing comes after this.
        await keepWhatWaits()
    }

    private func keepWhatWaits() async {
        while let turn = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) {
            let isThere = await RequestScope.$current.withValue(turn.scope) { await save(turn.request) }
            guard !isThere, Task.isShuttingDownGracefully else { continue }
            // There is no time to try each.
            let left = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting.count
            }
            for _ in 0..<left { drop("memory does not answer, and the service stops") }
        }
    }

    /// Tries until it is kept, is refused, or there is no more patience. One that takes too long is not tried again: memory is likely to keep
    /// it in the end, and would keep it twice.
    ///
    /// - Returns: whether memory answered.
    private func save(_ request: SaveConversationRequest) async -> Bool {
        var pauses = pauses[...]
        while true {
            do {
                _ = try await withDeadline(limit) { [client] in try await client.save(request) }
                count("saved")
                return true
            } catch {
                let mayPass = (error as? UpstreamError)?.isTransient == true
                guard mayPass, !Task.isShuttingDownGracefully, let pause = pauses.popFirst() else {
                    count("failed")
                    logger.warning("a turn could not be kept", metadata: ["cause": "\(error)"])
                    return !mayPass && !(error is DeadlineExceeded)
                }
                // One more try when the service is told to stop meanwhile.
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: pause) }
            }
        }
    }

    private func count(_ outcome: String) {
        Counter(label: "gateway_memory_saves_total", dimensions: [("outcome", outcome)]).increment()
    }
}
