import Foundation

/// Writes results as people read them in a terminal.
public struct ResultPrinter: Sendable {
    private let isColoured: Bool

    /// - Parameter isColoured: whether ANSI colours may be used; see https://no-color.org for when they should not.
    public init(isColoured: Bool) { self.isColoured = isColoured }

    public func heading(_ phase: Phase) -> String { "\n" + styled("Phase \(phase.rawValue): \(phase.title)", "1") }

    /// A line for a result, and one more for its reason.
    public func line(_ result: CheckResult) -> String {
        let (mark, colour) = Self.mark(of: result.outcome)
        let value = result.value.map { " — \($0)" } ?? ""
        let first = "\(mark) \(styled(result.outcome.rawValue + ":", colour)) \(result.id) \(result.title)\(value)"
        guard let reason = result.reason else { return first }
        return first + "\n      " + styled(reason, result.outcome == .fail ? "31" : "90")
    }

    public func summary(_ report: Report) -> String {
        let summary = report.summary
        let counts = [
            ("PASS", summary.pass, "32"), ("WARN", summary.warn, "33"), ("FAIL", summary.fail, "31"), ("SKIP", summary.skip, "90"),
            ("INCONCLUSIVE", summary.inconclusive, "35"),
        ].map { styled("\($0.0) \($0.1)", $0.1 > 0 ? $0.2 : "90") }.joined(separator: "  ")
        let verdict =
            summary.ok ? styled("Nothing failed.", "32") : styled("\(summary.fail) of \(report.checks.count) checks failed.", "31")
        return
            "\n\(counts)\n\(verdict) \(report.checks.count) checks in \(report.seconds.formatted(.number.precision(.fractionLength(1)))) s"
    }

    /// Text in the colour of an outcome.
    public func styled(_ text: String, as outcome: Outcome) -> String { styled(text, Self.mark(of: outcome).colour) }

    private static func mark(of outcome: Outcome) -> (mark: String, colour: String) {
        switch outcome {
        case .pass: ("✅", "32")
        case .warn: ("⚠️ ", "33")
        case .fail: ("❌", "31")
        case .skip: ("⏭️ ", "90")
        case .inconclusive: ("❔", "35")
        }
    }

    private func styled(_ text: String, _ code: String) -> String { isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}
