import Foundation

/// A part of a document that is found and cited as one.
struct Passage: Sendable, Equatable {
    /// First and last line, counted from 1.
    let lines: ClosedRange<Int>
    /// The headings above it, outermost first.
    let heading: String?
    let text: String
}

/// Cuts a text into passages at its own seams: headings first, then blank lines, then any line; measured in the embedding model's tokens.
/// Nothing is dropped: every line stands in at least one passage, whole or in parts.
struct Splitter: Sendable {
    /// Tokens a passage may have.
    let limit: Int
    /// Tokens a passage repeats of the one before it, at the most.
    let overlap: Int
    /// Tokens of each of some texts.
    let count: @Sendable ([String]) async throws -> [Int]

    private struct Line {
        let number: Int
        let text: String
        let tokens: Int
        let heading: String?
        let startsSection: Bool
    }

    func split(_ text: String) async throws -> [Passage] {
        let lines = try await measured(text)
        var passages: [Passage] = []
        var current: [Line] = []
        var tokens = 0
        func close(carrying: Bool) {
            guard current.contains(where: { !$0.text.allSatisfy(\.isWhitespace) }) else {
                current = []
                tokens = 0
                return
            }
            passages.append(Self.passage(current))
            let carried = carrying ? tail(current) : []
            current = carried
            tokens = carried.reduce(0) { $0 + $1.tokens }
        }
        for line in lines {
            let isFull = tokens + line.tokens > limit
            // A section that is long enough to stand alone does not run into the next.
            let isSeam = line.startsSection && tokens > limit / 6
            if !current.isEmpty, isFull || isSeam {
                close(carrying: isFull && !isSeam)
                if tokens + line.tokens > limit {
                    current = []
                    tokens = 0
                }
            }
            current.append(line)
            tokens += line.tokens
        }
        close(carrying: false)
        return passages
    }

    /// The last lines of a passage, as many as the overlap allows, from the last blank line on where there is one.
    private func tail(_ lines: [Line]) -> [Line] {
        var kept: [Line] = []
        var tokens = 0
        for line in lines.reversed() {
            tokens += line.tokens
            guard tokens <= overlap else { break }
            kept.insert(line, at: 0)
        }
        return kept.count < lines.count ? kept : []
    }

    private static func passage(_ lines: [Line]) -> Passage {
        Passage(
            lines: (lines.first?.number ?? 1)...(lines.last?.number ?? 1),
            heading: lines.first { !$0.text.allSatisfy(\.isWhitespace) }?.heading,
            text: lines.map(\.text).joined(separator: "\n").trimmingCharacters(in: .newlines))
    }

    /// The lines with their tokens and headings; a line that is too long comes in parts.
    private func measured(_ text: String) async throws -> [Line] {
        let raw = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let counts = try await count(raw)
        var result: [Line] = []
        var headings: [(level: Int, title: String)] = []
        var isInFence = false
        for (index, line) in raw.enumerated() {
            if line.hasPrefix("```") || line.hasPrefix("~~~") { isInFence.toggle() }
            let level = line.prefix { $0 == "#" }.count
            let isHeading = !isInFence && (1...6).contains(level) && line.dropFirst(level).first == " "
            if isHeading {
                headings.removeAll { $0.level >= level }
                headings.append((level, line.dropFirst(level).trimmingCharacters(in: .whitespaces)))
            }
            let path = headings.isEmpty ? nil : headings.map(\.title).joined(separator: " › ")
            for (part, tokens) in try await parts(of: line, tokens: counts[index]) {
                result.append(Line(number: index + 1, text: part, tokens: tokens, heading: path, startsSection: isHeading))
            }
        }
        return result
    }

    /// Halves a line, at a space where one is near, until every part fits.
    private func parts(of line: String, tokens: Int) async throws -> [(String, Int)] {
        guard tokens > limit, line.count > 1 else { return [(line, tokens)] }
        let middle = line.index(line.startIndex, offsetBy: line.count / 2)
        let near = line[..<middle].suffix(line.count / 4).lastIndex(of: " ").map(line.index(after:)) ?? middle
        let halves = [String(line[..<near]), String(line[near...])]
        let counts = try await count(halves)
        var result: [(String, Int)] = []
        for (half, tokens) in zip(halves, counts) { result += try await parts(of: half, tokens: tokens) }
        return result
    }
}
