import Foundation

extension Report {
    /// The report for people: a table for each phase, then the evidence of every check.
    public func markdown() -> String {
        var text = """
            # Verification report

            | | |
            |---|---|
            | Verdict | **\(summary.ok ? "nothing failed" : "\(summary.fail) failed")**: \(summary.pass) passed, \(summary.warn) with a warning, \(summary.fail) failed, \(summary.skip) skipped, \(summary.inconclusive) inconclusive |
            | Started | \(started.formatted(.iso8601)) |
            | Took | \(seconds.formatted(.number.precision(.fractionLength(1)))) s |
            | Maru | \(version) |
            | Machine | \(host.name), \(host.system), \(host.processors) processors, \(host.memoryBytes / 1_000_000_000) GB |

            """
        for phase in Phase.allCases {
            let own = checks.filter { $0.phase == phase.rawValue }
            guard !own.isEmpty else { continue }
            text +=
                "\n## Phase \(phase.rawValue): \(phase.title)\n\n| Check | | Outcome | Measured | Demanded | Seconds | Reason |\n|---|---|---|---|---|---|---|\n"
            for check in own {
                let cells = [
                    check.id, check.title, check.outcome.rawValue, check.value ?? "", check.threshold, String(check.seconds),
                    check.reason ?? "",
                ]
                text += "| " + cells.map(Self.cell).joined(separator: " | ") + " |\n"
            }
        }
        text += "\n## Evidence\n"
        for check in checks {
            text += "\n### \(check.id) \(check.title): \(check.outcome.rawValue)\n\n\(check.started.formatted(.iso8601)), repeat with:\n\n"
            text += Self.fenced(check.command, language: "sh")
            if !check.evidence.isEmpty { text += "\n" + Self.fenced(check.evidence, language: "text") }
        }
        return text
    }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|").replacing("\n", with: " ") }

    /// A fence longer than any run of backticks within.
    private static func fenced(_ text: String, language: String) -> String {
        let longest = text.matches(of: #/`+/#).map(\.output.count).max() ?? 0
        let fence = String(repeating: "`", count: max(3, longest + 1))
        return "\(fence)\(language)\n\(text)\n\(fence)\n"
    }
}
