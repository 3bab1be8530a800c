import Foundation
import SuiteAPI

/// Sees to it that an answer cites, and cites only what there is.
enum Citations {
    /// The answer with numbers of no source taken out, and, where it cites nothing, the source that shares most with it named at its end.
    static func settle(_ answer: String, sources: [Source]) -> String {
        let known = Set(sources.map(\.index))
        var isCiting = false
        var text = answer.trimmingCharacters(in: .whitespacesAndNewlines).replacing(#/\s*\[(\d+)\]/#) { match in
            guard let number = Int(match.1), known.contains(number) else { return "" }
            isCiting = true
            return String(match.0)
        }
        guard !isCiting, let best = nearest(to: text, among: sources) else { return text }
        text += " [\(best.index)]"
        return text
    }

    /// The source that shares most with the answer; of equals the one found first. A number that stands in both says more than a word:
    /// across languages it is all that two texts can share.
    private static func nearest(to answer: String, among sources: [Source]) -> Source? {
        let own = QuestionTerms(answer).all
        let ownNumbers = Grounding.numbers(in: answer)
        func shared(_ source: Source) -> Int {
            let content = QuestionTerms.Content(source.text)
            return own.count(where: content.holds) + 3 * ownNumbers.intersection(Grounding.numbers(in: source.text)).count
        }
        return sources.max { (shared($0), -$0.index) < (shared($1), -$1.index) }
    }
}
