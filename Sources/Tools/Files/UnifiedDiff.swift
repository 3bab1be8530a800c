import Foundation

/// The difference of two texts in the form that `diff -u` and git use, for people to read. Bounded in work and in length.
enum UnifiedDiff {
    private static let context = 3
    /// Characters that are shown at the most.
    private static let lengthLimit = 65_536
    /// Lines that differ, old times new, up to which the shortest difference is looked for; beyond, all are replaced.
    private static let workLimit = 4_000_000

    private struct Line {
        let mark: Character
        let text: Substring
    }

    /// - Parameter old: `nil` when there is no file yet.
    static func text(from old: String?, to new: String, name: String) -> String {
        let lines = lines(from: split(old ?? ""), to: split(new))
        guard lines.contains(where: { $0.mark != " " }) else {
            return old == nil ? "A new, empty file: \(name)\n" : "Nothing changes in \(name).\n"
        }
        var text = "--- \(old == nil ? "/dev/null" : "a/" + name)\n+++ b/\(name)\n"
        for hunk in hunks(lines) {
            text += header(of: hunk, in: lines)
            for line in lines[hunk] {
                text += "\(line.mark)\(line.text)"
                if !line.text.hasSuffix("\n") { text += "\n\\ No newline at end of file\n" }
                if text.utf8.count > lengthLimit { return String(text.prefix(lengthLimit)) + "\n… the diff is longer; it is cut here.\n" }
            }
        }
        return text
    }

    /// Lines with their ends. Scalars, since a carriage return and a line feed are one character to Swift.
    private static func split(_ text: String) -> [Substring] {
        var lines: [Substring] = []
        var start = text.startIndex
        while start < text.endIndex {
            let end = text.utf8[start...].firstIndex(of: 0x0A).map { text.utf8.index(after: $0) } ?? text.endIndex
            lines.append(text[start..<end])
            start = end
        }
        return lines
    }

    private static func lines(from old: [Substring], to new: [Substring]) -> [Line] {
        let head = zip(old, new).prefix { same($0, $1) }.count
        let tail = zip(old.dropFirst(head).reversed(), new.dropFirst(head).reversed()).prefix { same($0, $1) }.count
        let (oldMiddle, newMiddle) = (old[head..<(old.count - tail)], new[head..<(new.count - tail)])
        return old[..<head].map { Line(mark: " ", text: $0) } + middle(Array(oldMiddle), Array(newMiddle))
            + old.suffix(tail).map { Line(mark: " ", text: $0) }
    }

    private static func middle(_ old: [Substring], _ new: [Substring]) -> [Line] {
        let (removed, added) = (old.map { Line(mark: "-", text: $0) }, new.map { Line(mark: "+", text: $0) })
        guard !old.isEmpty, !new.isEmpty, old.count <= workLimit / new.count else { return removed + added }
        var isRemoved = Array(repeating: false, count: old.count)
        var isAdded = Array(repeating: false, count: new.count)
        for change in new.difference(from: old, by: same) {
            switch change {
            case .remove(let offset, _, _): isRemoved[offset] = true
            case .insert(let offset, _, _): isAdded[offset] = true
            }
        }
        var lines: [Line] = []
        var (left, right) = (0, 0)
        while left < old.count || right < new.count {
            if left < old.count, isRemoved[left] {
                lines.append(removed[left])
                left += 1
            } else if right < new.count, isAdded[right] {
                lines.append(added[right])
                right += 1
            } else {
                lines.append(Line(mark: " ", text: old[left]))
                left += 1
                right += 1
            }
        }
        return lines
    }

    /// Equal to the byte: letters that Unicode calls equal may still be a change.
    private static func same(_ left: Substring, _ right: Substring) -> Bool { left.utf8.elementsEqual(right.utf8) }

    private static func hunks(_ lines: [Line]) -> [Range<Int>] {
        var hunks: [Range<Int>] = []
        for (index, line) in lines.enumerated() where line.mark != " " {
            let range = max(0, index - context)..<min(lines.count, index + context + 1)
            if let last = hunks.last, range.lowerBound <= last.upperBound {
                hunks[hunks.count - 1] = last.lowerBound..<range.upperBound
            } else {
                hunks.append(range)
            }
        }
        return hunks
    }

    private static func header(of hunk: Range<Int>, in lines: [Line]) -> String {
        func side(_ other: Character) -> String {
            let before = lines[..<hunk.lowerBound].count { $0.mark != other }
            let count = lines[hunk].count { $0.mark != other }
            return "\(count == 0 ? before : before + 1),\(count)"
        }
        return "@@ -\(side("+")) +\(side("-")) @@\n"
    }
}
