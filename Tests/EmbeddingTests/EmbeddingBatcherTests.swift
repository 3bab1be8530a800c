import HTTPTypes
import ServiceKit
import Synchronization
import Testing

@testable import Embedding

/// An engine whose every batch waits for the test's word.
private final class HeldEngine: Sendable {
    struct Failure: Error, Equatable {}

    private struct Held: Sendable {
        let texts: [String]
        let continuation: CheckedContinuation<Void, any Error>
    }

    private let held = Mutex<[Held]>([])
    private let ended = Mutex<[[String]]>([])

    /// Batches that were cancelled.
    var cancelled: [[String]] { ended.withLock { $0 } }

    /// The vector of a text: its number.
    func embed(_ texts: [String]) async throws -> EmbeddingEngine.Vectors {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                held.withLock { $0.append(Held(texts: texts, continuation: continuation)) }
            }
        } onCancel: {
            ended.withLock { $0.append(texts) }
            answer(with: CancellationError())
        }
        return .init(values: texts.map { [Float($0) ?? -1] }, tokens: texts.count * 10)
    }

    /// The texts of the batch that is being worked on, as soon as there is one.
    func batch() async -> [String] {
        while true {
            if let texts = held.withLock({ $0.first?.texts }) { return texts }
            await Task.yield()
        }
    }

    /// Ends the batch, with an error if given.
    func answer(with error: (any Error)? = nil) {
        let first = held.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        if let error { first?.continuation.resume(throwing: error) } else { first?.continuation.resume() }
    }
}

@Suite("Calls that share the engine")
struct EmbeddingBatcherTests {
    private let engine = HeldEngine()

    private func batcher(texts: Int = 2, waiting: Int = 100) -> EmbeddingBatcher {
        EmbeddingBatcher(queue: BatchQueue(maxTexts: texts, maxTokens: 1_000, maxWaiting: waiting)) { [engine] in
            try await engine.embed($0)
        }
    }

    private func call(_ batcher: EmbeddingBatcher, _ texts: [String]) -> Task<EmbeddingBatcher.Outcome, any Error> {
        Task { try await batcher.embed(texts, tokens: texts.map { _ in 1 }) }
    }

    private func until(_ batcher: EmbeddingBatcher, waiting count: Int) async {
        while await batcher.waiting != count { await Task.yield() }
    }

    @Test("Results come in the order of the texts, and a call alone is counted by the engine")
    func order() async throws {
        let batcher = batcher()
        let lengths = Task { try await batcher.embed(["5", "3", "9"], tokens: [5, 3, 9]) }
        #expect(await engine.batch() == ["9", "5"])
        engine.answer()
        #expect(await engine.batch() == ["3"])
        engine.answer()
        let outcome = try await lengths.value
        #expect(outcome.vectors == [[5], [3], [9]])
        #expect(outcome.tokens == 30 && outcome.uncounted.isEmpty)
    }

    @Test("A short call shares the next batch of a long one and is done before it; shared texts are not counted as one's own")
    func sharing() async throws {
        let batcher = batcher()
        let long = call(batcher, ["1", "2", "3", "4", "5"])
        #expect(await engine.batch() == ["1", "2"])
        let short = call(batcher, ["8"])
        await until(batcher, waiting: 4)
        engine.answer()
        #expect(await engine.batch() == ["3", "8"])
        engine.answer()
        let first = try await short.value
        #expect(first.vectors == [[8]] && first.tokens == 0 && first.uncounted == [0])
        // The long call still has texts to go.
        #expect(await engine.batch() == ["4", "5"])
        engine.answer()
        let outcome = try await long.value
        #expect(outcome.vectors == [[1], [2], [3], [4], [5]])
        #expect(outcome.tokens == 40 && outcome.uncounted == [2])
    }

    @Test("A failure reaches the calls of that batch and no other")
    func failure() async throws {
        let batcher = batcher()
        let first = call(batcher, ["1", "2", "3", "4"])
        _ = await engine.batch()
        let second = call(batcher, ["5"])
        await until(batcher, waiting: 3)
        engine.answer()
        #expect(await engine.batch() == ["3", "5"])
        let third = call(batcher, ["6"])
        await until(batcher, waiting: 2)
        engine.answer(with: HeldEngine.Failure())
        await #expect(throws: HeldEngine.Failure.self) { try await first.value }
        await #expect(throws: HeldEngine.Failure.self) { try await second.value }
        // The first call's last text is gone with it.
        #expect(await engine.batch() == ["6"])
        engine.answer()
        #expect(try await third.value.vectors == [[6]])
    }

    @Test("A caller that leaves takes its texts along; the others' batch goes on")
    func leaving() async throws {
        let batcher = batcher()
        let first = call(batcher, ["1", "2", "3"])
        _ = await engine.batch()
        let second = call(batcher, ["4", "5", "6"])
        await until(batcher, waiting: 4)
        engine.answer()
        #expect(await engine.batch() == ["3", "4"])
        second.cancel()
        await #expect(throws: CancellationError.self) { try await second.value }
        #expect(await batcher.waiting == 0)
        #expect(engine.cancelled.isEmpty)
        engine.answer()
        #expect(try await first.value.vectors == [[1], [2], [3]])
    }

    @Test("A batch that nobody waits for any more is given up")
    func abandoned() async throws {
        let batcher = batcher()
        let first = call(batcher, ["1", "2", "3"])
        _ = await engine.batch()
        let second = call(batcher, ["7"])
        await until(batcher, waiting: 2)
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        #expect(await engine.batch() == ["7"])
        #expect(engine.cancelled == [["1", "2"]])
        engine.answer()
        #expect(try await second.value.vectors == [[7]])
    }

    @Test("When too much waits a call is refused, and told when to come back")
    func overload() async throws {
        let batcher = batcher(texts: 1, waiting: 2)
        let first = call(batcher, ["1", "2", "3"])
        _ = await engine.batch()
        let error = await #expect(throws: ServiceError.self) { try await batcher.embed(["4"], tokens: [1]) }
        #expect(error?.status == .serviceUnavailable && error?.retryAfter != nil)
        for _ in 0..<3 {
            _ = await engine.batch()
            engine.answer()
        }
        #expect(try await first.value.vectors.count == 3)
    }

    @Test("No texts need no engine, and a caller that left before it came is not let in")
    func nothing() async throws {
        let batcher = batcher()
        #expect(try await batcher.embed([], tokens: []).vectors.isEmpty)
        let gate = AsyncStream<Void>.makeStream()
        let late = Task {
            for await _ in gate.stream {}
            return try await batcher.embed(["1"], tokens: [1])
        }
        late.cancel()
        gate.continuation.finish()
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(await batcher.waiting == 0)
    }
}
