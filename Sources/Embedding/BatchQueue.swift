/// Texts that wait for the engine, and which of them it is given next.
///
/// The calls take turns, a text at a time, so that a call of one text is in the next batch however many texts another call brought. Of
/// a call's texts the longest that still fits goes first: texts of about one length come together, and short ones fill what is left.
///
/// Questions, for whose answers somebody waits, are batches of their own and go before what is embedded to be kept: a question waits for the
/// batch that runs, and for no other unless questions went before it. While both wait, batches of both take turns.
struct BatchQueue {
    /// A text by its call and its place there.
    struct Text: Hashable {
        let call: Int
        let index: Int
    }

    /// Texts of a batch at the most.
    let maxTexts: Int
    /// Tokens of a batch at the most; a text that has more by itself makes a batch alone.
    let maxTokens: Int
    /// Texts that may wait. What finds nobody waiting is let in whatever its size.
    let maxWaiting: Int
    private(set) var waiting = 0
    /// Texts of each call that waits, the longest last.
    private var texts: [Int: [(index: Int, tokens: Int)]] = [:]
    /// The calls that wait, in the order of their turns: questions and others.
    private var (questions, others): ([Int], [Int]) = ([], [])
    private var lastWereQuestions = false

    init(maxTexts: Int, maxTokens: Int, maxWaiting: Int) {
        self.maxTexts = maxTexts
        self.maxTokens = maxTokens
        self.maxWaiting = maxWaiting
    }

    /// Lets a call wait with its texts.
    ///
    /// - Parameters:
    ///   - tokens: of each text, near enough.
    ///   - isQuestion: whether somebody waits for what is found with them.
    /// - Returns: whether there is room for it.
    mutating func add(_ call: Int, tokens: [Int], isQuestion: Bool = false) -> Bool {
        guard waiting == 0 || waiting + tokens.count <= maxWaiting else { return false }
        guard !tokens.isEmpty else { return true }
        texts[call] = tokens.enumerated().map { (index: $0, tokens: $1) }.sorted { ($0.tokens, $1.index) < ($1.tokens, $0.index) }
        if isQuestion { questions.append(call) } else { others.append(call) }
        waiting += tokens.count
        return true
    }

    /// Takes a call out with all of its texts that still wait.
    mutating func remove(_ call: Int) {
        guard let left = texts.removeValue(forKey: call) else { return }
        waiting -= left.count
        questions.removeAll { $0 == call }
        others.removeAll { $0 == call }
    }

    /// The next batch; empty when nothing waits.
    mutating func next() -> [Text] {
        lastWereQuestions = !questions.isEmpty && (others.isEmpty || !lastWereQuestions)
        let turns = lastWereQuestions ? \Self.questions : \Self.others
        return batch(of: turns)
    }

    private mutating func batch(of lane: WritableKeyPath<Self, [Int]>) -> [Text] {
        var turns = self[keyPath: lane]
        var batch: [Text] = []
        var room = maxTokens
        // Calls whose texts are too long for what is left of this batch are the first of the next.
        var passed: [Int] = []
        while batch.count < maxTexts, let call = turns.first {
            turns.removeFirst()
            guard var own = texts[call] else { continue }
            guard let place = batch.isEmpty ? own.indices.last : own.lastIndex(where: { $0.tokens <= room }) else {
                passed.append(call)
                continue
            }
            let text = own.remove(at: place)
            batch.append(Text(call: call, index: text.index))
            room -= text.tokens
            texts[call] = own.isEmpty ? nil : own
            if !own.isEmpty { turns.append(call) }
        }
        self[keyPath: lane] = passed + turns
        waiting -= batch.count
        return batch
    }
}
