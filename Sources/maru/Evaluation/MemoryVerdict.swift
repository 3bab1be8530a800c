import Foundation

/// What an evaluation of memory came to: figures of the whole set, of its halves and kinds, and every question.
struct MemoryVerdict: Codable, Sendable {
    /// Weights and bounds were found on the one half, and are judged on the other.
    enum Split: String, Codable, Sendable { case tune, check }

    /// A question, and what was found.
    struct Row: Codable, Sendable {
        let id: String
        let kind: String
        let split: Split
        let expected: [String]
        let older: [String]
        /// The first ten.
        let found: [String]
        /// Results that belong to another project.
        let wrong: Int
        /// What a model would be told of; `nil` when that was not asked.
        let recalled: [String]?

        /// The place of the first that was expected, from 1.
        var rank: Int? { found.firstIndex(where: expected.contains).map { $0 + 1 } }

        /// The share of what was expected that stands among the first.
        func recall(at count: Int) -> Double {
            Double(expected.count(where: found.prefix(count).contains)) / Double(max(1, expected.count))
        }

        /// Whether what holds now stands before all that does not any more.
        var isNewestFirst: Bool {
            guard let newest = rank else { return false }
            return older.allSatisfy { old in found.firstIndex(of: old).map { $0 + 1 > newest } ?? true }
        }

        /// Whether recall did right: nothing about what is unknown, else something that was expected.
        var isRecallRight: Bool? {
            recalled.map { recalled in expected.isEmpty ? recalled.isEmpty : recalled.contains(where: expected.contains) }
        }
    }

    /// The figures of some questions; `nil` where there are none to tell of.
    struct Summary: Codable, Sendable {
        let questions: Int
        let recall_at_1: Double
        let recall_at_5: Double
        let mrr: Double
        let wrong_project_hits: Int
        /// Of questions about what has changed.
        let newest_first: Double?
        /// Of questions that can be answered: those for which recall tells of what was expected.
        let recalled: Double?
        /// Of questions that cannot: those for which it tells of nothing.
        let unknown_refused: Double?

        init(_ rows: [Row]) {
            let known = rows.filter { !$0.expected.isEmpty }
            func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
            func share(_ values: [Bool]) -> Double? { values.isEmpty ? nil : mean(values.map { $0 ? 1 : 0 }) }
            questions = rows.count
            recall_at_1 = share(known.map { $0.rank == 1 }) ?? 0
            recall_at_5 = mean(known.map { $0.recall(at: 5) })
            mrr = mean(known.map { $0.rank.map { 1 / Double($0) } ?? 0 })
            wrong_project_hits = rows.map(\.wrong).reduce(0, +)
            newest_first = share(known.filter { !$0.older.isEmpty }.map(\.isNewestFirst))
            recalled = share(known.compactMap(\.isRecallRight))
            unknown_refused = share(rows.filter(\.expected.isEmpty).compactMap(\.isRecallRight))
        }

        fileprivate var figures: [(name: String, value: Double?)] {
            [
                ("RECALL@1", recall_at_1), ("RECALL@5", recall_at_5), ("MRR", mrr), ("NEWEST FIRST", newest_first), ("RECALLED", recalled),
                ("UNKNOWN REFUSED", unknown_refused), ("WRONG PROJECT", Double(wrong_project_hits)),
            ]
        }
    }

    let overall: Summary
    let tune: Summary
    let check: Summary
    let kinds: [String: Summary]
    let rows: [Row]

    private enum CodingKeys: String, CodingKey {
        case overall, tune, check, kinds
        case rows = "questions"
    }

    init(_ rows: [Row]) {
        overall = Summary(rows)
        tune = Summary(rows.filter { $0.split == .tune })
        check = Summary(rows.filter { $0.split == .check })
        kinds = Dictionary(grouping: rows, by: \.kind).mapValues(Summary.init)
        self.rows = rows
    }

    /// Figures by kind and half, and the questions whose answer does not stand first.
    var text: String {
        let weak = rows.filter { $0.expected.isEmpty ? $0.isRecallRight == false : $0.rank != 1 || $0.isRecallRight == false }
        let lines = weak.map { row in
            [
                row.id, row.kind, row.split.rawValue, row.rank.map(String.init) ?? "-",
                row.isRecallRight.map { $0 ? "yes" : "no" } ?? "-", row.expected.joined(separator: " "),
                row.found.prefix(5).joined(separator: " "),
            ]
        }
        let parts = kinds.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("tune", tune), ("check", check), ("all", overall)]
        return Table(["QUESTION", "KIND", "SPLIT", "RANK", "RECALL RIGHT", "EXPECTED", "FOUND"]).rows(lines) + "\n\n"
            + Table(["", "QUESTIONS"] + overall.figures.map(\.name)).rows(
                parts.map { name, part in [name, "\(part.questions)"] + part.figures.map { Self.text($0.name, $0.value) } })
    }

    /// What became better and worse since an earlier run.
    func text(since before: MemoryVerdict) -> String {
        let old = Dictionary(before.rows.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let changes = rows.compactMap { row -> [String]? in
            guard let was = old[row.id] else { return [row.id, row.kind, "new", "", ""] }
            func rank(_ row: Row) -> String { row.rank.map(String.init) ?? "-" }
            func right(_ row: Row) -> String { row.isRecallRight.map { $0 ? "yes" : "no" } ?? "-" }
            guard rank(was) != rank(row) || right(was) != right(row) else { return nil }
            // By the rank first; of equal ranks by what recall tells.
            let gain = Double(was.rank ?? 11) - Double(row.rank ?? 11) + (right(row) == "yes" ? 0.5 : 0) - (right(was) == "yes" ? 0.5 : 0)
            return [
                row.id, row.kind, gain >= 0 ? "better" : "worse", "\(rank(was)) → \(rank(row))", "\(right(was)) → \(right(row))",
            ]
        }
        let figures = zip(before.overall.figures, overall.figures).map { was, now in
            let difference = (now.value ?? 0) - (was.value ?? 0)
            return [
                now.name, Self.text(was.name, was.value), Self.text(now.name, now.value),
                difference.formatted(.number.precision(.fractionLength(3)).sign(strategy: .always(includingZero: false))),
            ]
        }
        return
            (changes.isEmpty
            ? "No question stands otherwise than before." : Table(["QUESTION", "KIND", "", "RANK", "RECALL RIGHT"]).rows(changes))
            + "\n\n" + Table(["", "BEFORE", "NOW", "DIFFERENCE"]).rows(figures)
    }

    private static func text(_ name: String, _ value: Double?) -> String {
        guard let value else { return "-" }
        return switch name {
        case "MRR": value.formatted(.number.precision(.fractionLength(3)))
        case "WRONG PROJECT": "\(Int(value))"
        default: value.formatted(.percent.precision(.fractionLength(1)))
        }
    }
}
