import ArgumentParser
import Foundation
import Operations
import ServiceKit
import Suite
import Synchronization

extension CheckContext.Runtime: ExpressibleByArgument {}

/// What `env`, `health` and `verify` share: how checks are run, shown, kept, and turned into an exit code.
struct CheckOutput: ParsableArguments {
    @Flag(help: "Print the report as JSON.") var json = false
    @Option(help: ArgumentHelp("Also write JUnit XML to this file.", valueName: "file")) var junit: String?
    @Option(help: "The runtime that is judged: native or compose.") var runtime: CheckContext.Runtime = .native
    @Option(help: ArgumentHelp("Seconds a starting service is waited for.", valueName: "n")) var patience: Int = 30
    @OptionGroup var given: SettingFlags

    func run(named name: String, inParallel: Bool = false, checks: (Settings) -> [Check]) async throws {
        let session = try await Session(given)
        let context = CheckContext(settings: session.settings, clients: session.clients, runtime: runtime, patience: .seconds(patience))
        let printer = ResultPrinter(isColoured: Terminal.isColoured)
        let shown = ShownPhases()
        let isQuiet = json
        let runner = CheckRunner(context) { result in
            guard !isQuiet, !inParallel else { return }
            if let phase = shown.isNew(result.phase) { print(printer.heading(phase)) }
            print(printer.line(result))
        }
        let started = Date.now
        let clock = ContinuousClock.now
        let results = inParallel ? await runner.runInParallel(checks(session.settings)) : await runner.run(checks(session.settings))
        let report = Report(results, started: started, seconds: clock.duration(to: .now).seconds)
        if json {
            print(String(decoding: try report.json(), as: UTF8.self))
        } else {
            // What ran at once is read at once.
            if inParallel { print(table(of: results, printer)) }
            print(printer.summary(report))
        }
        do {
            let folder = try ReportStore(session.settings.dataFolders).save(report, name: name)
            if !json { print("Report: \(folder)/report.md") }
        } catch {
            // The verdict stands without its file; a full disk is just what some of these checks are for.
            FileHandle.standardError.write(Data("The report could not be kept: \(error)\n".utf8))
        }
        if let junit {
            do {
                try report.junit().write(toFile: junit, atomically: true, encoding: .utf8)
            } catch {
                throw CommandError("\(junit) could not be written: \(error.localizedDescription)")
            }
        }
        if !report.summary.ok { throw ExitCode.failure }
    }

    /// A row for each result in its outcome's colour; below them, why those that did not pass did not.
    private func table(of results: [CheckResult], _ printer: ResultPrinter) -> String {
        let rows = results.map { result in
            [
                result.id, result.outcome.rawValue, result.title, result.seconds.formatted(.number.precision(.fractionLength(2))) + " s",
                result.value ?? "",
            ]
        }
        let lines = Table(["CHECK", "OUTCOME", "WHAT", "TOOK", "FOUND"]).rows(rows).split(separator: "\n")
        let styled = zip(lines.dropFirst(), results).map { printer.styled(String($0), as: $1.outcome) }
        let reasons = results.compactMap { result in
            result.reason.map { printer.styled("\(result.outcome.rawValue): \(result.id) \($0)", as: result.outcome) }
        }
        return (lines.prefix(1).map(String.init) + styled + (reasons.isEmpty ? [] : [""] + reasons)).joined(separator: "\n")
    }
}

/// Remembers which phase was printed last, so that each gets one heading.
private final class ShownPhases: Sendable {
    private let last = Mutex<Int?>(nil)

    func isNew(_ phase: Int) -> Phase? {
        last.withLock { last in
            guard last != phase else { return nil }
            last = phase
            return Phase(rawValue: phase)
        }
    }
}
