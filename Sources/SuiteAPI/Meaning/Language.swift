import Foundation
import ServiceKit

/// The language of a text.
public enum Language: String, Sendable, CaseIterable, Codable {
    case korean, english

    public init(of text: String) {
        let letters = text.precomposedStringWithCanonicalMapping.filter(\.isLetter)
        // A Korean sentence about Python has many Latin letters; a fifth of Hangul makes it Korean.
        self = letters.filter(KoreanBigrams.isHangul).count * 5 >= max(1, letters.count) ? .korean : .english
    }
}
