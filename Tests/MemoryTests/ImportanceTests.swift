import Foundation
import Testing

@testable import Memory

@Suite("Importance and expiry")
struct ImportanceTests {
    private static let long = String(repeating: "Lists can be changed after they are made and tuples cannot. ", count: 20)

    @Test(
        "Pinned cases stand where people would put them",
        arguments: [
            ("hello", "Hello! How can I help you today?", 1...3), ("안녕하세요", "안녕하세요! 무엇을 도와드릴까요?", 1...3),
            ("thanks, that was it, thank you", "You are welcome.", 3...3), ("고마워, 감사합니다", "천만에요.", 1...3),
            ("What is the difference between list and tuple?", long, 4...7),
            ("파이썬으로 정렬 함수를 구현해 줘", "다음과 같습니다.\n```python\ndef sort(items):\n    return sorted(items)\n```\n" + long, 6...9),
            (
                "How do I keep secrets out of the compose configuration?", "Use environment files for configuration and security. " + long,
                7...9
            ),
        ])
    func pinned(query: String, response: String, levels: ClosedRange<Int>) {
        #expect(levels.contains(Importance.score(query: query, response: response, model: nil)))
    }

    @Test("Pieces of words are no words: “this” is no greeting, “token” no nod, “checkout” no check")
    func wholeWords() {
        let plain = Importance.score(
            query: "what about this token at the checkout", response: String(repeating: "x ", count: 80), model: nil)
        #expect(plain == 5)
        // But a particle is no part of the word before it.
        #expect(Importance.score(query: "config를 fix해 줘, bug가 있어", response: String(repeating: "x ", count: 80), model: nil) == 8)
        #expect(Importance.score(query: "hi ok", response: String(repeating: "x ", count: 80), model: nil) == 3)
    }

    @Test("What the user saved is 10, what the user marked at least 8, the code model adds one, and nothing leaves 1 to 10")
    func marks() {
        #expect(Importance.score(query: "hi", response: "hi", model: nil, isSaved: true) == 10)
        #expect(Importance.score(query: "hi", response: "hi", model: nil, isMarked: true) == 8)
        let text = String(repeating: "y ", count: 80)
        #expect(
            Importance.score(query: "x", response: text, model: "code-7b") == Importance.score(query: "x", response: text, model: nil) + 1)
        #expect(Importance.score(query: "hello ok test", response: "", model: nil) >= 1)
        let most = "bug fix error config " + String(repeating: "z", count: 201)
        #expect(Importance.score(query: most, response: "```" + String(repeating: "w ", count: 2_000), model: "code-7b") == 10)
    }

    @Test("weakness_38_what_is_of_no_importance_goes_at_once_and_the_highest_level_never")
    func weakness_38_levels() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let days = Importance.range.map { Expiry.date(level: $0, from: now).map { $0.timeIntervalSince(now) / 86_400 } }
        #expect(days == [0, 3, 7, 14, 30, 30, 90, 180, 365, nil])
    }
}
