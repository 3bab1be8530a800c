import Foundation
import Operations
import Suite
import SystemPackage
import TestSupport
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite("Reports")
struct ReportTests {
    private func result(_ id: String, _ outcome: Outcome, reason: String? = nil, evidence: String = "") -> CheckResult {
        CheckResult(
            id: id, phase: 2, title: "a <title> & more", outcome: outcome, value: "1", threshold: "t", command: "true", seconds: 0.1,
            reason: reason,
            started: Date(timeIntervalSince1970: 0), evidence: evidence)
    }

    @Test("Only a failure makes a run fail; skipped and inconclusive checks are counted apart from passed ones")
    func summary() {
        let quiet = Report(
            [result("A", .pass), result("B", .skip), result("C", .inconclusive), result("D", .warn)], started: .now, seconds: 1)
        #expect(quiet.summary.ok)
        #expect(quiet.summary.pass == 1)
        #expect(!Report([result("A", .pass), result("B", .fail)], started: .now, seconds: 1).summary.ok)
    }

    @Test("JSON carries the agreed members")
    func json() throws {
        let report = Report([result("S01", .skip, reason: "why")], started: .now, seconds: 1)
        let object = try #require(try JSONSerialization.jsonObject(with: report.json()) as? [String: Any])
        let check = try #require((object["checks"] as? [[String: Any]])?.first)
        for member in ["id", "phase", "title", "outcome", "value", "threshold", "command", "seconds", "reason"] {
            #expect(check[member] != nil, "\(member)")
        }
        #expect(check["outcome"] as? String == "SKIP")
    }

    @Test("JUnit is well-formed whatever the evidence holds")
    func junit() throws {
        let report = Report([result("S01", .fail, reason: "a \"quoted\" <reason>", evidence: "\u{0} & ]]> <x>")], started: .now, seconds: 1)
        let parser = XMLParser(data: Data(report.junit().utf8))
        #expect(parser.parse())
    }

    @Test("Markdown cells cannot break the table, fences cannot break the evidence")
    func markdown() {
        let text = Report([result("S01", .fail, reason: "a | b\nc", evidence: "```\ninside")], started: .now, seconds: 1).markdown()
        #expect(text.contains(#"a \| b c"#))
        #expect(text.contains("````text"))
    }

    @Test("Reports are kept as files, the oldest go")
    func store() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try settings.dataFolders.create()
            let store = ReportStore(settings.dataFolders)
            for number in 0..<(ReportStore.limit + 3) {
                let at = Date(timeIntervalSince1970: Double(number) * 60)
                _ = try store.save(Report([result("S01", .pass)], started: at, seconds: 1), name: "verify")
            }
            let kept = try FileManager.default.contentsOfDirectory(atPath: settings.dataFolders.reports.string)
            #expect(kept.count == ReportStore.limit)
            #expect(!kept.contains { $0.hasSuffix("000000Z") })
        }
    }
}
