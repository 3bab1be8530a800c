import Foundation

/// Cuts Hangul into overlapping pairs of syllables, so that a word is found whatever particle hangs on it and whatever compound it is
/// part of: 연차는 gives 연차 and 차는, and the search for 연차 finds it. Two syllables, the commonest length of Korean words, are the
/// shortest that a trigram index would miss.
public enum KoreanBigrams {
    /// The pairs of a text, separated by spaces; a single syllable between other characters stays as it is.
    public static func of(_ text: String) -> String {
        var pairs: [String] = []
        for run in text.precomposedStringWithCanonicalMapping.split(whereSeparator: { !isHangul($0) }) {
            let syllables = Array(run)
            if syllables.count == 1 { pairs.append(String(syllables)) }
            for index in syllables.indices.dropLast() { pairs.append(String(syllables[index...index + 1])) }
        }
        return pairs.joined(separator: " ")
    }

    public static func isHangul(_ character: Character) -> Bool {
        character.unicodeScalars.first.map { (0xAC00...0xD7A3).contains($0.value) } ?? false
    }
}
