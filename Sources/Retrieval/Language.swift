import Foundation
import ServiceKit
import SuiteAPI

/// What an answer in a language is like.
extension Language {
    /// What is said when the documents do not hold the answer.
    var noAnswer: String {
        switch self {
        case .korean: "문서에서 이 질문에 대한 답을 찾지 못했습니다."
        case .english: "The documents do not hold an answer to this."
        }
    }

    /// Whether a text is in this language. A Korean answer may be a name and a particle; an English one may name a Korean thing.
    func isSpoken(in text: String) -> Bool {
        switch self {
        case .korean: text.contains(where: KoreanBigrams.isHangul)
        case .english: Language(of: text) == .english
        }
    }

    /// Signs that the model itself found no answer.
    func admitsIgnorance(_ text: String) -> Bool {
        let signs = [
            "찾지 못했", "찾을 수 없", "알 수 없", "모르겠", "모릅니다", "나와 있지 않", "나오지 않", "적혀 있지 않", "언급되어 있지 않", "언급되지 않", "언급이 없", "정보가 없",
            "정보는 없", "내용이 없", "내용은 없", "답이 없", "i don't know", "i do not know", "not mention", "n't mention", "not say", "n't say",
            "not specif", "n't specif", "no information", "not provide", "n't provide", "no mention", "not contain", "n't contain",
            "cannot find", "can't find",
            "no answer", "not stated", "not in the documents",
        ]
        let text = text.lowercased().replacing("’", with: "'")
        return text.count < 160 && signs.contains { text.contains($0) }
    }
}
