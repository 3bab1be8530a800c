import Foundation
import ServiceKit
import Suite

/// The results of a run, with what is needed to judge them: who ran them, where, when.
public struct Report: Sendable, Codable {
    public struct Host: Sendable, Codable {
        public let name: String
        public let system: String
        public let processors: Int
        public let memoryBytes: UInt64
    }

    public struct Summary: Sendable, Codable {
        public let pass: Int
        public let warn: Int
        public let fail: Int
        public let skip: Int
        public let inconclusive: Int
        /// Whether nothing failed. Skipped and inconclusive checks are not failures, and do not count as passed.
        public let ok: Bool
    }

    public let checks: [CheckResult]
    public let summary: Summary
    public let version: String
    public let started: Date
    public let seconds: Double
    public let host: Host

    public init(_ checks: [CheckResult], started: Date, seconds: Double) {
        self.checks = checks
        func count(_ outcome: Outcome) -> Int { checks.filter { $0.outcome == outcome }.count }
        summary = Summary(
            pass: count(.pass), warn: count(.warn), fail: count(.fail), skip: count(.skip), inconclusive: count(.inconclusive),
            ok: count(.fail) == 0)
        version = BuildInfo.version
        self.started = started
        self.seconds = (seconds * 1_000).rounded() / 1_000
        let process = ProcessInfo.processInfo
        host = Host(
            name: process.hostName, system: process.operatingSystemVersionString, processors: process.activeProcessorCount,
            memoryBytes: process.physicalMemory)
    }

    /// The report as JSON, keys in order.
    public func json() throws -> Data {
        let encoder = JSONEncoder.sorted
        encoder.outputFormatting.insert(.prettyPrinted)
        encoder.dateEncodingStrategy = .iso8601
        return try encoder.encode(self)
    }

    /// The report as JUnit XML, as CI systems read it (https://github.com/testmoapp/junitxml). Skipped and inconclusive checks are `skipped`.
    public func junit() -> String {
        let suites = Phase.allCases.compactMap { phase -> String? in
            let own = checks.filter { $0.phase == phase.rawValue }
            guard !own.isEmpty else { return nil }
            let skipped = own.filter { [.skip, .inconclusive].contains($0.outcome) }.count
            let failed = own.filter { $0.outcome == .fail }.count
            let seconds = own.reduce(0) { $0 + $1.seconds }
            return """
                  <testsuite name="\(Self.xml(phase.title))" tests="\(own.count)" failures="\(failed)" skipped="\(skipped)" time="\(seconds)">
                \(own.map(Self.testCase).joined(separator: "\n"))
                  </testsuite>
                """
        }
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="maru verify" tests="\(checks.count)" failures="\(summary.fail)" time="\(seconds)">
            \(suites.joined(separator: "\n"))
            </testsuites>

            """
    }

    private static func testCase(_ check: CheckResult) -> String {
        let head = #"    <testcase classname="phase\#(check.phase)" name="\#(xml(check.id + " " + check.title))" time="\#(check.seconds)""#
        let reason = xml([check.outcome.rawValue, check.reason].compactMap { $0 }.joined(separator: ": "))
        switch check.outcome {
        case .pass, .warn:
            return head
                + "><system-out>\(xml([check.value, check.reason].compactMap { $0 }.joined(separator: "; ")))</system-out></testcase>"
        case .fail: return head + "><failure message=\"\(reason)\">\(xml(check.evidence))</failure></testcase>"
        case .skip, .inconclusive: return head + "><skipped message=\"\(reason)\"/></testcase>"
        }
    }

    /// Text as it may stand in XML: markup escaped, characters that XML 1.0 forbids left out.
    private static func xml(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 || [0x09, 0x0A].contains($0.value) }))
            .replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
