import Foundation

/// The language of a question, which its answer takes.
enum Language: String, Sendable, CaseIterable {
    case korean, english

    init(of text: String) {
        let letters = text.precomposedStringWithCanonicalMapping.filter(\.isLetter)
        // A Korean sentence about Python has many Latin letters; a fifth of Hangul makes it Korean.
        self = letters.filter(KoreanBigrams.isHangul).count * 5 >= max(1, letters.count) ? .korean : .english
    }

    /// What is said when the documents do not hold the answer.
    var noAnswer: String {
        switch self {
        case .korean: "문서에서 이 질문에 대한 답을 찾지 못했습니다."
        case .english: "The documents do not hold an answer to this."
        }
    }

    /// Whether a text is in this language at all.
    func isSpoken(in text: String) -> Bool { self == .english || text.contains(where: KoreanBigrams.isHangul) }

    /// Signs that the model itself found no answer.
    func admitsIgnorance(_ text: String) -> Bool {
        let signs =
            switch self {
            case .korean: ["찾지 못했", "알 수 없", "모르겠", "나와 있지 않", "언급되어 있지 않", "정보가 없", "없습니다. 문서"]
            case .english: ["don't know", "do not know", "not mentioned", "does not say", "no information", "not provided", "cannot find"]
            }
        return text.count < 160 && signs.contains { text.lowercased().contains($0) }
    }
}
