import Foundation
import ServiceKit

/// A number of places, each taken by one browser; who finds none free waits, first come first served.
actor BrowserPlaces {
    private var free: Int
    private var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var lastID = 0

    init(_ count: Int) { free = count }

    /// Does some work in a place of its own.
    ///
    /// - Parameter patience: how long to wait for one.
    /// - Throws: 503 `busy` when none became free in time, `CancellationError`, and what the work throws.
    func withPlace<Value: Sendable>(within patience: Duration, _ work: @Sendable () async throws -> Value) async throws -> Value {
        try await take(within: patience)
        defer { leave() }
        return try await work()
    }

    private func take(within patience: Duration) async throws {
        try Task.checkCancellation()
        guard free == 0 else {
            free -= 1
            return
        }
        lastID += 1
        let id = lastID
        let alarm = Task {
            try await Task.sleep(for: patience)
            let why =
                "All browsers are at work, and none became free within \(patience.seconds.formatted()) s. WEB_MAX_BROWSERS says how many there are."
            giveUp(id, ServiceError.unavailable(why, code: "busy"))
        }
        defer { alarm.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // Cancelled before it waits: the handler has found nobody to wake.
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                waiting.append((id, continuation))
            }
        } onCancel: {
            Task { await self.giveUp(id, CancellationError()) }
        }
    }

    /// Gives the place to who waits longest.
    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().continuation.resume() }
    }

    private func giveUp(_ id: Int, _ error: any Error) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: error)
    }
}
