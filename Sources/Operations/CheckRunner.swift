import Foundation
import ServiceKit

/// Runs checks and turns whatever happens into results: a check that throws failed, as did one that waits for a service too long; a
/// measurement that takes too long is inconclusive.
public struct CheckRunner: Sendable {
    private let context: CheckContext
    private let report: @Sendable (CheckResult) -> Void

    /// - Parameter report: told of each result as it comes, in the order of the checks.
    public init(_ context: CheckContext, report: @escaping @Sendable (CheckResult) -> Void = { _ in }) {
        self.context = context
        self.report = report
    }

    /// Runs checks one after the other: they load the same two cores, and later ones build on earlier ones.
    public func run(_ checks: [Check]) async -> [CheckResult] {
        var results: [CheckResult] = []
        for check in checks {
            let result = await run(check)
            report(result)
            results.append(result)
        }
        return results
    }

    /// Runs checks that only wait, all at once; results come in the order of the checks.
    public func runInParallel(_ checks: [Check]) async -> [CheckResult] {
        await withTaskGroup(of: (Int, CheckResult).self) { group in
            for (index, check) in checks.enumerated() { group.addTask { (index, await run(check)) } }
            var finished: [Int: CheckResult] = [:]
            var next = 0
            for await (index, result) in group {
                finished[index] = result
                while let result = finished[next] {
                    report(result)
                    next += 1
                }
            }
            return finished.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private func run(_ check: Check) async -> CheckResult {
        let started = Date.now
        let clock = ContinuousClock.now
        let limit = check.waitsForStart ? check.limit + context.patience : check.limit
        var finding: Finding
        do {
            finding = try await withDeadline(limit) { try await check.run(context) }
        } catch is DeadlineExceeded {
            finding =
                check.asksService
                ? Finding(.fail, reason: "did not answer within \(limit.seconds.formatted()) s")
                : Finding(.inconclusive, reason: "not finished within \(limit.seconds.formatted()) s")
        } catch {
            finding = Finding(.fail, reason: "\(error)")
        }
        await context.notes.record(check.id, finding.outcome)
        return CheckResult(
            id: check.id, phase: check.phase.rawValue, title: check.title, outcome: finding.outcome, value: finding.value,
            threshold: check.threshold, command: check.command, seconds: (clock.duration(to: .now).seconds * 1_000).rounded() / 1_000,
            reason: finding.reason, started: started, evidence: finding.evidence)
    }
}
