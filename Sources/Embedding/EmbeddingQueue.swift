import ServiceKit

/// Lets a bounded number of calls wait for the engine, and one at a time speak to it: it has one pair of hands.
actor EmbeddingQueue {
    private let limit: Int
    private var isBusy = false
    private var waiting: [(id: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    private var lastID = 0

    init(limit: Int = 128) { self.limit = limit }

    /// Runs work when its turn has come.
    ///
    /// - Throws: 503 when too many wait already; `CancellationError` when the caller left while waiting.
    func run<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value {
        try await enter()
        defer { leave() }
        return try await work()
    }

    private func enter() async throws {
        guard isBusy else {
            isBusy = true
            return
        }
        guard waiting.count < limit else {
            throw ServiceError.unavailable("Too many texts wait to be embedded.", code: "overloaded", retryAfter: .seconds(5))
        }
        lastID += 1
        let id = lastID
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled { continuation.resume(throwing: CancellationError()) } else { waiting.append((id, continuation)) }
            }
        } onCancel: {
            Task { await self.cancel(id) }
        }
    }

    private func leave() {
        guard !waiting.isEmpty else {
            isBusy = false
            return
        }
        waiting.removeFirst().continuation.resume()
    }

    private func cancel(_ id: Int) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: CancellationError())
    }
}
