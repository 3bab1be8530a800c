import Foundation
import ServiceKit

/// How important a conversation is, from 1 to 10 (spec/05 §5.4 of the reference system). Its formula looked for pieces of words, so that
/// “this” was a greeting and “token” a nod; here words of English are whole ones. Those of Korean may stand in longer ones, since particles and
/// compound nouns are written together.
enum Importance {
    static let range = 1...10

    private static let high: [String] = [
        "설정", "config", "configuration", "환경변수", "environment", "architecture", "design pattern", "아키텍처", "설계", "버그", "에러", "오류", "문제",
        "해결", "fix", "bug", "error", "issue", "problem", "solution", "trouble", "구현", "implementation", "알고리즘", "algorithm", "최적화",
        "optimization",
        "performance", "성능", "보안", "security", "결정", "decision", "정책", "policy", "방향", "direction", "전략", "strategy", "계획", "plan",
    ]
    private static let low: [String] = [
        "안녕", "hello", "hi", "테스트", "test", "확인", "check", "감사", "thank", "좋아", "좋다", "괜찮", "ok", "okay",
    ]
    /// Other forms of the low ones, which count with them.
    private static let forms = ["thank": "thanks"]
    /// What an answer that teaches code holds.
    private static let code: NSRegularExpression = {
        let pattern = #"```|`[^`\n]+`|\b(?:def|function|class|import)\s+\w+|\bselect\s.{0,400}?\bfrom\b"#
        guard let expression = try? NSRegularExpression(pattern: pattern, options: [.caseInsensitive, .dotMatchesLineSeparators]) else {
            preconditionFailure("\(pattern) is no expression")
        }
        return expression
    }()

    /// - Parameters:
    ///   - isSaved: the user asked for it to be kept: always 10.
    ///   - isMarked: the user called it important: at least 8.
    static func score(query: String, response: String, model: String?, isSaved: Bool = false, isMarked: Bool = false) -> Int {
        let words = PlainWords(query + " " + response)
        var score = 5
        score += min(high.count { words.hold($0) || words.hold($0 + "s") }, 3)
        score -= min(low.count { words.hold($0) || forms[$0].map(words.hold) ?? false }, 2)
        switch response.count {
        case 2_001...: score += 2
        case 1_001...: score += 1
        case ..<100: score -= 1
        default: break
        }
        let beginning = String(response.prefix(20_000))
        if code.firstMatch(in: beginning, range: NSRange(beginning.startIndex..., in: beginning)) != nil { score += 1 }
        if model == "code-7b" { score += 1 }
        if isSaved { score = 10 } else if isMarked { score = max(score, 8) }
        if query.count > 200 { score += 1 }
        return min(max(score, range.lowerBound), range.upperBound)
    }

    /// The words of a text, in lower case, between spaces. A particle after an English word, as in “config를”, is no part of it.
    private struct PlainWords {
        private let text: String

        init(_ text: String) {
            let normal = text.precomposedStringWithCanonicalMapping.lowercased()
            var text = " "
            var isHangul: Bool?
            for character in normal {
                guard character.isLetter || character.isNumber else {
                    if isHangul != nil { text.append(" ") }
                    isHangul = nil
                    continue
                }
                let isNow = KoreanBigrams.isHangul(character)
                if let isHangul, isHangul != isNow { text.append(" ") }
                isHangul = isNow
                text.append(character)
            }
            self.text = text + " "
        }

        func hold(_ word: String) -> Bool {
            let isKorean = word.first.map(KoreanBigrams.isHangul) ?? false
            return text.contains(isKorean ? word : " " + word + " ")
        }
    }
}
