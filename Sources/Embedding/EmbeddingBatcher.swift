import ServiceKit

/// Lets concurrent calls share the engine: one batch at a time, from whoever waits.
actor EmbeddingBatcher {
    /// What came of a call.
    struct Outcome: Sendable {
        /// One for each text, in order.
        let vectors: [[Float]]
        /// Tokens of the texts that were not together with another call's, as the engine counted them.
        let tokens: Int
        /// The other texts.
        let uncounted: [Int]
    }

    private struct Call {
        let texts: [String]
        let continuation: CheckedContinuation<Outcome, any Error>
        var vectors: [[Float]]
        var missing: Int
        var tokens = 0
        var uncounted: [Int] = []
    }

    private let engine: @Sendable ([String]) async throws -> EmbeddingEngine.Vectors
    private var queue: BatchQueue
    private var calls: [Int: Call] = [:]
    private var lastCall = 0
    /// The batch that the engine works on, and for whom.
    private var running: (work: Task<Void, Never>, calls: Set<Int>)?

    /// - Parameter engine: gives one vector for each text, in order.
    init(queue: BatchQueue, engine: @escaping @Sendable ([String]) async throws -> EmbeddingEngine.Vectors) {
        self.queue = queue
        self.engine = engine
    }

    /// Texts that wait.
    var waiting: Int { queue.waiting }

    /// Embeds texts when their turn has come.
    ///
    /// - Parameters:
    ///   - tokens: of each text, near enough.
    ///   - isQuestion: whether somebody waits for what is found with them.
    /// - Throws: 503 when too much waits; what the engine threw for a batch that one of the texts was in; `CancellationError` when the
    ///   caller left: its texts leave the queue, and the engine stops when it worked for nobody else.
    func embed(_ texts: [String], tokens: [Int], isQuestion: Bool = false) async throws -> Outcome {
        guard !texts.isEmpty else { return Outcome(vectors: [], tokens: 0, uncounted: []) }
        lastCall += 1
        let id = lastCall
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                guard queue.add(id, tokens: tokens, isQuestion: isQuestion) else {
                    return continuation.resume(
                        throwing: ServiceError.unavailable(
                            "\(queue.waiting) texts wait to be embedded already.", code: "overloaded", retryAfter: .seconds(5)))
                }
                calls[id] = Call(
                    texts: texts, continuation: continuation, vectors: Array(repeating: [], count: texts.count), missing: texts.count)
                startNext()
            }
        } onCancel: {
            Task { await self.leave(id) }
        }
    }

    private func startNext() {
        guard running == nil else { return }
        let batch = queue.next()
        guard !batch.isEmpty else { return }
        let texts = batch.compactMap { calls[$0.call]?.texts[$0.index] }
        // Detached: the batch belongs to several requests, so it carries the id and the trace of none.
        let work = Task.detached { [engine] in
            do {
                await self.finish(batch, with: .success(try await engine(texts)))
            } catch {
                await self.finish(batch, with: .failure(error))
            }
        }
        running = (work, Set(batch.map(\.call)))
    }

    private func finish(_ batch: [BatchQueue.Text], with result: Result<EmbeddingEngine.Vectors, any Error>) {
        let owners = running?.calls ?? []
        running = nil
        switch result {
        case .success(let answer):
            for (text, vector) in zip(batch, answer.values) { take(vector, for: text, isShared: owners.count > 1) }
            if owners.count == 1, let owner = owners.first { calls[owner]?.tokens += answer.tokens }
            for owner in owners { completeIfWhole(owner) }
        case .failure(let error):
            for owner in owners { fail(owner, error) }
        }
        startNext()
    }

    private func take(_ vector: [Float], for text: BatchQueue.Text, isShared: Bool) {
        calls[text.call]?.vectors[text.index] = vector
        calls[text.call]?.missing -= 1
        if isShared { calls[text.call]?.uncounted.append(text.index) }
    }

    private func completeIfWhole(_ id: Int) {
        guard let call = calls[id], call.missing == 0 else { return }
        calls[id] = nil
        call.continuation.resume(returning: Outcome(vectors: call.vectors, tokens: call.tokens, uncounted: call.uncounted))
    }

    private func fail(_ id: Int, _ error: any Error) {
        queue.remove(id)
        calls.removeValue(forKey: id)?.continuation.resume(throwing: error)
    }

    private func leave(_ id: Int) {
        if let running, running.calls.contains(id), running.calls.allSatisfy({ $0 == id || calls[$0] == nil }) { running.work.cancel() }
        fail(id, CancellationError())
    }
}
