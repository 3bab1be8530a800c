/// Bounds how many do something at once; others wait their turn.
public actor Slots {
    private var free: Int
    private var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var count = 0

    /// - Parameter limit: how many at once.
    public init(limit: Int) { free = limit }

    /// Waits for a place, does the work, and gives the place to the one who has waited longest.
    ///
    /// - Throws: `CancellationError` when it is cancelled while it waits; whatever the work throws.
    public nonisolated func withSlot<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value {
        try await take()
        do {
            let value = try await work()
            await giveBack()
            return value
        } catch {
            await giveBack()
            throw error
        }
    }

    private func take() async throws {
        try Task.checkCancellation()
        if free > 0 {
            free -= 1
            return
        }
        count += 1
        let id = count
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // Cancelled before it could wait: nobody will call again.
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    waiting.append((id, continuation))
                }
            }
        } onCancel: {
            Task { await self.leave(id) }
        }
    }

    private func giveBack() {
        guard !waiting.isEmpty else {
            free += 1
            return
        }
        waiting.removeFirst().continuation.resume()
    }

    private func leave(_ id: Int) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: CancellationError())
    }
}
