import Synchronization

/// Whether somebody saves or searches just now. What is done in the background asks before it goes on: on a machine with few processors the
/// embedding model would take from a save what makes it quick.
final class ForegroundActivity: Sendable {
    private let last = Mutex<ContinuousClock.Instant?>(nil)
    /// So long after the last call it is quiet.
    private static let calm = Duration.milliseconds(100)

    /// Says that somebody waits for an answer.
    func note() { last.withLock { $0 = .now } }

    private var calmsAt: ContinuousClock.Instant? {
        let end = last.withLock { $0 }?.advanced(by: Self.calm)
        return end.flatMap { $0 > .now ? $0 : nil }
    }

    /// Waits until it is quiet, but no longer than it may.
    ///
    /// - Throws: `CancellationError`.
    func quiet(atMost longest: Duration) async throws {
        let end = ContinuousClock.now.advanced(by: longest)
        while let calmsAt, .now < end { try await Task.sleep(until: min(calmsAt, end)) }
    }
}
