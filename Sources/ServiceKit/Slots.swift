/// Bounds how many do something at once; others wait, first come first served.
public actor Slots {
    private var free: Int
    private var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var lastID = 0

    /// - Parameter limit: how many at once.
    public init(limit: Int) { free = limit }

    /// Does some work in a place of its own.
    ///
    /// - Parameter patience: how long to wait for one; without it as long as it takes.
    /// - Throws: ``DeadlineExceeded`` when none became free in time, `CancellationError` when it is cancelled while it waits, and what the
    ///   work throws.
    public func withSlot<Value: Sendable>(within patience: Duration? = nil, _ work: @Sendable () async throws -> Value) async throws
        -> Value
    {
        try await take(within: patience)
        defer { leave() }
        return try await work()
    }

    private func take(within patience: Duration?) async throws {
        try Task.checkCancellation()
        guard free == 0 else {
            free -= 1
            return
        }
        lastID += 1
        let id = lastID
        let alarm = patience.map { patience in
            Task {
                try await Task.sleep(for: patience)
                giveUp(id, DeadlineExceeded(limit: patience))
            }
        }
        defer { alarm?.cancel() }
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
