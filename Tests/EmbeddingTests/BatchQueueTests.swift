import Testing

@testable import Embedding

extension BatchQueue {
    /// All batches to the end.
    fileprivate mutating func rest() -> [[Text]] {
        var batches: [[Text]] = []
        while case let batch = next(), !batch.isEmpty { batches.append(batch) }
        return batches
    }
}

@Suite("Which texts the engine is given next")
struct BatchQueueTests {
    private typealias Text = BatchQueue.Text

    private func queue(texts: Int = 8, tokens: Int = 100, waiting: Int = 1_000) -> BatchQueue {
        BatchQueue(maxTexts: texts, maxTokens: tokens, maxWaiting: waiting)
    }

    @Test("A batch has no more texts and no more tokens than it may; what is longer goes alone")
    func bounds() {
        var queue = queue(texts: 3, tokens: 100)
        _ = queue.add(1, tokens: [10, 10, 10, 10, 90, 40, 250])
        #expect(queue.waiting == 7)
        let batches = queue.rest().map { $0.map(\.index) }
        // The longest first, and beside it what fits.
        #expect(batches == [[6], [4, 0], [5, 1, 2], [3]])
        #expect(queue.waiting == 0)
    }

    @Test("A call of one text is in the next batch, however many another brought before it")
    func overtaking() {
        var queue = queue(texts: 4)
        _ = queue.add(1, tokens: Array(repeating: 10, count: 100))
        _ = queue.next()
        _ = queue.add(2, tokens: [10])
        let next = queue.next()
        #expect(next.contains(Text(call: 2, index: 0)))
    }

    @Test("A question waits for the batch that runs and for no other, and what is embedded to be kept has every second batch")
    func questions() {
        var queue = queue(texts: 4)
        _ = queue.add(1, tokens: Array(repeating: 10, count: 12))
        _ = queue.next()
        for call in 2...9 { _ = queue.add(call, tokens: [10], isQuestion: true) }
        let calls = queue.rest().map { Set($0.map(\.call)) }
        #expect(calls == [[2, 3, 4, 5], [1], [6, 7, 8, 9], [1]])
        #expect(queue.waiting == 0)
        _ = queue.add(10, tokens: [10, 10], isQuestion: true)
        queue.remove(10)
        #expect(queue.next().isEmpty && queue.waiting == 0)
    }

    @Test("Calls take turns: while they wait together, none gets a text more than another")
    func turns() {
        var queue = queue(texts: 5)
        for call in 1...3 { _ = queue.add(call, tokens: Array(repeating: 1, count: 20)) }
        var served = [1: 0, 2: 0, 3: 0]
        for _ in 0..<9 {
            for text in queue.next() { served[text.call, default: 0] += 1 }
            #expect((served.values.max() ?? 0) - (served.values.min() ?? 0) <= 1)
        }
    }

    @Test("A long text is not passed over for ever by short ones")
    func noStarving() {
        var queue = queue(texts: 8, tokens: 100)
        _ = queue.add(1, tokens: Array(repeating: 60, count: 50))
        _ = queue.add(2, tokens: [90])
        _ = queue.next()
        let next = queue.next()
        #expect(next == [Text(call: 2, index: 0)])
    }

    @Test("Every text comes once, and a call that is taken out brings none")
    func all() {
        var queue = queue(texts: 7, tokens: 64)
        let sizes = [1: (0..<40).map { $0 % 13 * 5 }, 2: [64, 1, 1], 3: (0..<9).map { _ in 30 }]
        for (call, tokens) in sizes.sorted(by: { $0.key < $1.key }) { _ = queue.add(call, tokens: tokens) }
        queue.remove(3)
        queue.remove(99)
        #expect(queue.waiting == 43)
        let taken = queue.rest().flatMap(\.self)
        let seen = Set(taken)
        #expect(taken.count == seen.count)
        #expect(seen.count == 43 && !seen.contains { $0.call == 3 } && queue.waiting == 0)
    }

    @Test("What waits is bounded, but nobody is refused for being large alone")
    func waiting() {
        var queue = queue(waiting: 10)
        let large = queue.add(1, tokens: Array(repeating: 1, count: 12))
        let behind = queue.add(2, tokens: [1])
        #expect(large && !behind)
        _ = queue.next()
        let fitting = queue.add(3, tokens: [1, 1, 1])
        let over = queue.add(4, tokens: [1, 1, 1, 1])
        #expect(fitting && !over && queue.waiting == 7)
    }
}
