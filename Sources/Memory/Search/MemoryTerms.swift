import Foundation
import ServiceKit

/// What of a text is indexed and searched: its words outside Korean, in lower case, and each pair of syllables within. Signs that belong to
/// a word stay, so that C++ and C# are found; any text can be searched, since nothing in it is an operator.
struct MemoryTerms: Sendable {
    /// Each term with the number of times it occurs.
    let counts: [String: Int]
    /// Terms, repeated ones counted each time.
    let length: Int

    /// Bytes of a text that are indexed; what follows is kept and shown, but found by other words of it.
    static let longest = 65_536

    init(_ text: String) {
        var counts: [String: Int] = [:]
        var length = 0
        for term in Self.sequence(text) {
            counts[term, default: 0] += 1
            length += 1
        }
        (self.counts, self.length) = (counts, length)
    }

    /// As the index takes them. Depends on nothing but the text: what was put in is taken out with the same words.
    var indexed: String { counts.keys.sorted().joined(separator: " ") }

    private static func sequence(_ text: String) -> [String] {
        let cut = text.utf8.count > longest ? String(decoding: text.utf8.prefix(longest), as: UTF8.self) : text
        let normal = cut.precomposedStringWithCompatibilityMapping.lowercased()
        var terms: [String] = []
        for part in normal.split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "+" || $0 == "#") || KoreanBigrams.isHangul($0) })
        {
            let word = part.drop { $0 == "+" || $0 == "#" }
            let plain = word.prefix { $0 != "+" && $0 != "#" }
            guard !plain.isEmpty else { continue }
            if word.count <= 64 { terms.append(String(word)) }
            // a+b is found by a and by b, C++ by C.
            if plain.count < word.count {
                terms += word.split(whereSeparator: { $0 == "+" || $0 == "#" }).map { String($0.prefix(64)) }
            } else if word.count > 64 {
                terms.append(String(word.prefix(64)))
            }
        }
        terms += KoreanBigrams.of(normal).split(separator: " ").map(String.init)
        return terms
    }
}

/// What of a query is searched for.
struct MemoryQuery: Sendable {
    /// Words that stand in any conversation and tell nothing.
    private static let common: Set<String> = [
        "the", "a", "an", "is", "are", "was", "were", "do", "does", "did", "of", "to", "in", "on", "at", "for", "and", "or", "it", "this",
        "that", "what", "when", "where", "which", "who", "how", "why", "can", "i", "we", "you", "my", "our", "me", "be", "by", "with",
        "from", "about", "there", "have", "has", "had", "tell", "said", "say",
        "무엇", "언제", "어디", "누구", "어떤", "어떻", "떻게", "얼마", "마나", "인가", "가요", "나요", "까요", "니까", "습니", "하나", "하는", "합니", "입니", "에서", "으로", "에게",
        "까지", "부터", "하면", "있나", "있는", "해야", "뭐야", "인지", "는지", "은가", "는가", "이야", "주세", "세요", "알려", "려주", "려줘", "내가", "했던", "라고",
    ]
    /// Characters of a query that are looked at.
    private static let longest = 8_192
    /// Terms that are looked for; each costs a look into the index.
    private static let most = 24

    let terms: [String]

    init(_ text: String) {
        var text = text[...]
        if text.count > Self.longest {
            text = text.prefix(Self.longest)
            // Not a piece of a word, which would be looked for as one.
            if let end = text.lastIndex(where: \.isWhitespace) { text = text[..<end] }
        }
        let all = MemoryTerms(String(text)).counts.keys.sorted()
        let telling = all.filter { !Self.common.contains($0) && ($0.count > 1 || $0.first?.isNumber == true) }
        // A question of nothing but common words is a question all the same.
        terms = Array((telling.isEmpty ? all : telling).prefix(Self.most))
    }
}
