import Foundation
import ServiceKit

/// What of a question is searched by words: each word outside Korean, each pair of syllables within. Any text is a question: nothing in it
/// is an operator.
struct QuestionTerms: Sendable {
    struct Term: Sendable, Hashable {
        let text: String
        let isPair: Bool

        /// The term as an FTS5 expression; quotes make it plain text.
        var expression: String { (isPair ? "pairs" : "words") + " : \"" + text.replacing("\"", with: "\"\"") + "\"" }
    }

    /// Words that stand in any text and tell nothing.
    private static let common: Set<String> = [
        "the", "a", "an", "is", "are", "was", "were", "do", "does", "did", "of", "to", "in", "on", "at", "for", "and", "or", "it", "this",
        "that", "what",
        "when", "where", "which", "who", "how", "why", "can", "i", "we", "you", "my", "our", "be", "by", "with", "from", "much", "many",
        "there",
    ]
    /// Korean question words, endings and particles; pairs that fall inside them tell nothing.
    private static let commonPairs: Set<String> = [
        "무엇", "언제", "어디", "누구", "어떤", "어떻", "떻게", "얼마", "마나", "인가", "가요", "나요", "까요", "니까", "습니", "하나", "하는", "되나", "합니", "입니", "에서",
        "으로", "에게", "까지", "부터", "하면", "되는", "있나", "있는", "하려", "려면", "해야", "야하", "몇시", "뭐야", "인지", "는지", "은가", "는가", "이야", "주세", "세요", "알려",
        "려주", "려줘",
    ]

    let all: [Term]

    init(_ question: String) {
        let content = Content(question)
        let words = content.words.filter { !Self.common.contains($0) }.map { Term(text: $0, isPair: false) }
        let pairs = content.pairs.filter { !Self.commonPairs.contains($0) }.map { Term(text: $0, isPair: true) }
        // A question of more terms than this is a text; each costs a look into the index.
        all = Array((words + pairs).sorted { ($0.isPair ? 1 : 0, $0.text) < ($1.isPair ? 1 : 0, $1.text) }.prefix(64))
    }

    /// One FTS5 expression that finds what holds any of the terms; `nil` when nothing is left to search for.
    var expression: String? { all.isEmpty ? nil : all.map(\.expression).joined(separator: " OR ") }

    /// The words and pairs of a text.
    struct Content {
        let words: Set<String>
        let pairs: Set<String>

        init(_ text: String) {
            let text = text.precomposedStringWithCanonicalMapping.lowercased()
            words = Set(
                text.split { !($0.isLetter || $0.isNumber) || KoreanBigrams.isHangul($0) }.map(String.init).filter {
                    $0.count > 1 || $0.first?.isNumber == true
                })
            pairs = Set(KoreanBigrams.of(text).split(separator: " ").map(String.init))
        }

        func holds(_ term: Term) -> Bool { term.isPair ? pairs.contains(term.text) : words.contains(term.text) }
    }
}
