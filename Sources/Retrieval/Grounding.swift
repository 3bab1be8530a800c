import SuiteAPI

/// Whether an answer stands on its sources, as far as that can be told without understanding it: by its numbers.
enum Grounding {
    /// Numbers of an answer that stand neither in the sources nor in the question: a small model that knows no answer invents some.
    /// Numbers of one digit do not count: they may be a word there, or a sum.
    static func inventedNumbers(in answer: String, to question: String, sources: [Source]) -> Set<String> {
        let answer = answer.replacing(#/\[\d+\]/#, with: "")
        let known = sources.reduce(into: numbers(in: question)) { $0.formUnion(numbers(in: ($1.heading ?? "") + "\n" + $1.text)) }
        return numbers(in: answer).subtracting(known).filter { $0.count > 1 }
    }

    /// Numbers as they are written: 03:20, 1,146 and 0.5 are one each.
    static func numbers(in text: String) -> Set<String> { Set(text.matches(of: #/\d+(?:[.,:]\d+)*/#).map { String($0.0) }) }
}
