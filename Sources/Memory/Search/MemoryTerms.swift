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
        Self.read(text) { term in
            length += 1
            counts[String(decoding: term, as: UTF8.self), default: 0] += 1
        }
        (self.counts, self.length) = (counts, length)
    }

    /// Some terms that are counted in many texts, without making a string of each term that stands there.
    struct Wanted {
        /// One after the other.
        private let terms: [UInt8]
        private let places: [Range<Int>]

        init(_ terms: [String]) {
            var (all, places): ([UInt8], [Range<Int>]) = ([], [])
            for term in terms {
                let start = all.count
                all += term.utf8
                places.append(start..<all.count)
            }
            (self.terms, self.places) = (all, places)
        }

        /// How often each stands in a text, in order, and how many terms the text has in all, repeated ones counted each time.
        func count(in text: String) -> (counts: [Int], length: Int) {
            var counts = [Int](repeating: 0, count: places.count)
            var length = 0
            terms.withUnsafeBufferPointer { terms in
                MemoryTerms.read(text) { term in
                    length += 1
                    for index in places.indices where places[index].count == term.count {
                        if terms[places[index]].elementsEqual(term) { counts[index] += 1 }
                    }
                }
            }
            return (counts, length)
        }
    }

    /// Gives each term of a text, in UTF-8.
    private static func read(_ text: String, _ add: (UnsafeBufferPointer<UInt8>) -> Void) {
        var text = text
        text.withUTF8 { bytes in
            // No term reaches over white space, so that each part is judged for itself: most are plain.
            var rest = bytes.prefix(longest)
            var word: [UInt8] = []
            while let start = rest.firstIndex(where: { $0 > 0x20 }) {
                let part = rest[start...].prefix { $0 > 0x20 }
                rest = rest[part.endIndex...]
                if addPlain(part, &word, add) { continue }
                for var term in general(String(decoding: part, as: UTF8.self)) { term.withUTF8(add) }
            }
        }
    }

    /// As the index takes them. What was put in is taken out with the same words, in whatever order.
    var indexed: String { counts.keys.joined(separator: " ") }

    /// The terms of any text, whatever letters are in it.
    static func general(_ text: String) -> [String] {
        let normal = text.precomposedStringWithCompatibilityMapping.lowercased()
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

    /// The same for a text of ASCII, whole Hangul syllables and common punctuation, which is what nearly all is written in: byte by byte, some
    /// twenty times as fast.
    ///
    /// - Parameter word: empty before and after; its room is used for each word, since making some anew takes longer than all the rest.
    /// - Returns: whether it is such a text; when not, nothing was added.
    private static func addPlain(
        _ text: Slice<UnsafeBufferPointer<UInt8>>, _ word: inout [UInt8], _ add: (UnsafeBufferPointer<UInt8>) -> Void
    ) -> Bool {
        guard isPlain(text) else { return false }
        /// Where the run of syllables begins, and how many it has.
        var (syllables, count) = (text.startIndex, 0)
        func endWord() {
            guard !word.isEmpty else { return }
            word.withUnsafeBufferPointer { addWord($0[...], add) }
            word.removeAll(keepingCapacity: true)
        }
        func endSyllables() {
            if count == 1 { add(UnsafeBufferPointer(rebasing: text[syllables..<syllables + 3])) }
            for pair in 0..<max(count - 1, 0) {
                let start = syllables + 3 * pair
                add(UnsafeBufferPointer(rebasing: text[start..<start + 6]))
            }
            count = 0
        }
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            let size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : 3
            if byte >= 0xEA {
                endWord()
                if count == 0 { syllables = index }
                count += 1
            } else {
                endSyllables()
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "#"):
                    word.append(byte)
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
                default: endWord()
                }
            }
            index += size
        }
        endWord()
        endSyllables()
        return true
    }

    private static func addWord(_ part: Slice<UnsafeBufferPointer<UInt8>>, _ add: (UnsafeBufferPointer<UInt8>) -> Void) {
        func isSign(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "#") }
        let word = part.drop(while: isSign)
        let plain = word.prefix { !isSign($0) }
        guard !plain.isEmpty else { return }
        if word.count <= 64 { add(UnsafeBufferPointer(rebasing: word)) }
        if plain.count < word.count {
            for piece in word.split(whereSeparator: isSign) { add(UnsafeBufferPointer(rebasing: piece.prefix(64))) }
        } else if word.count > 64 {
            add(UnsafeBufferPointer(rebasing: word.prefix(64)))
        }
    }

    /// Whether a text holds nothing but ASCII, the syllables U+AC00 to U+D7A3 and dashes, quotation marks and dots (U+2010 to U+2026), none of
    /// which joins with another.
    private static func isPlain(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            if byte < 0x80 {
                index += 1
                continue
            }
            guard index + 2 < text.endIndex else { return false }
            let (second, third) = (text[index + 1], text[index + 2])
            switch byte {
            case 0xEA: guard second >= 0xB0 else { return false }
            case 0xEB, 0xEC: break
            case 0xED: guard second < 0x9E || (second == 0x9E && third <= 0xA3) else { return false }
            case 0xE2: guard second == 0x80, (0x90...0xA6).contains(third) else { return false }
            default: return false
            }
            index += 3
        }
        return true
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
    /// Terms that are looked for; each costs a look into the index. Of more, as many are taken from all over the text.
    private static let most = 64

    let terms: [String]

    init(_ text: String) {
        var text = text[...]
        if text.count > Self.longest {
            text = text.prefix(Self.longest)
            // Not a piece of a word, which would be looked for as one.
            if let end = text.lastIndex(where: \.isWhitespace) { text = text[..<end] }
        }
        var known: Set<String> = []
        let all = MemoryTerms.general(String(text)).filter { known.insert($0).inserted }
        let telling = all.filter { !Self.common.contains($0) && ($0.count > 1 || $0.first?.isNumber == true) }
        // A question of nothing but common words is a question all the same.
        let wanted = telling.isEmpty ? all : telling
        let count = min(wanted.count, Self.most)
        terms = (0..<count).map { wanted[$0 * wanted.count / count] }.sorted()
    }
}
