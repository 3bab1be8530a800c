import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// What the model is told. The instructions come first and never change, so that the engine has them read already; the passages are
/// few, since a small machine reads slowly.
///
/// It is the wording that served a model of half a billion parameters best: find the place and say what stands there. Asked to cite as
/// well, such a model cited and did not answer; asked first of all to say when there is no answer, it said so of every other question.
/// ``Citations`` names the source where the model does not.
struct AnswerPrompt: Sendable {
    /// Changes with the words below; answers to other words are not given again.
    static let recipe = 2

    let question: String
    let language: Language
    let sources: [Source]

    func request(model: String, settings: Settings) -> ChatRequest {
        let passages = sources.map { "[\($0.index)] \($0.text)" }.joined(separator: "\n\n")
        let (system, user) =
            switch language {
            case .korean:
                (
                    "문서에서 질문의 답이 적힌 부분을 찾아, 그 내용을 한국어 한 문장으로 답하세요. 숫자와 이름은 문서에 적힌 그대로 쓰세요. 문서에 전혀 없는 내용을 물으면 \"모르겠습니다\"라고 답하세요.",
                    "문서:\n\(passages)\n\n질문: \(asked)"
                )
            case .english:
                (
                    "Find the part of the documents that answers the question and answer with it in one sentence. Copy numbers and names exactly. If the documents are about something else, answer \"I don't know\".",
                    "Documents:\n\(passages)\n\nQuestion: \(asked)"
                )
            }
        return ChatRequest(
            model: model, messages: [.init(role: "system", content: system), .init(role: "user", content: user)],
            maxTokens: settings[SettingKeys.ragLLMMaxTokens], temperature: settings[SettingKeys.ragLLMTemperature])
    }

    /// What is held against an answer, for the model to answer better; `nil` for nothing.
    func objection(to answer: String) -> String? {
        if !language.isSpoken(in: answer) {
            return language == .korean ? "방금 답을 한국어 문장으로 다시 쓰세요." : "Write that answer again, in English."
        }
        guard !Grounding.inventedNumbers(in: answer, to: question, sources: sources).isEmpty else { return nil }
        return switch language {
        case .korean: "그 숫자는 문서에 없습니다. 문서에 적힌 대로 다시 답하세요."
        case .english: "That number is not in the documents. Answer again with what they say."
        }
    }

    /// The question as a sentence. To a few words set beside one another a small model answers with the words.
    private var asked: String {
        guard Self.isKeywords(question) else { return question }
        return switch language {
        case .korean: question + (Self.endsInConsonant(question) ? "은" : "는") + " 어떻게 되나요?"
        case .english: "What do the documents say about “\(question)”?"
        }
    }

    /// Whether a text is what one types into a search box: a few words, none of which asks.
    static func isKeywords(_ text: String) -> Bool {
        let words = text.precomposedStringWithCanonicalMapping.lowercased().split(whereSeparator: \.isWhitespace)
        guard (1...5).contains(words.count), !text.contains("?"), let first = words.first, let end = words.last?.last else { return false }
        let opening = [
            "what", "when", "where", "which", "who", "whose", "how", "why", "is", "are", "do", "does", "did", "can", "may", "tell",
        ]
        // Sentences end in a verb, and verbs in one of these; the commonest nouns do not.
        return !opening.contains(String(first)) && !"요까나지니줘돼래해야냐다?!.".contains(end)
    }

    /// Which of two forms a Korean particle takes after a text: a syllable with a final consonant takes the first.
    private static func endsInConsonant(_ text: String) -> Bool {
        guard let last = text.precomposedStringWithCanonicalMapping.last, KoreanBigrams.isHangul(last),
            let value = last.unicodeScalars.first?.value
        else { return false }
        // 28 forms of each pair of initial and vowel, the first of them without a final consonant (Unicode 15, §3.12).
        return (value - 0xAC00) % 28 != 0
    }
}
