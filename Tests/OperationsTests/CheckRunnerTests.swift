import Foundation
import Operations
import Suite
import SuiteAPI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Running checks")
struct CheckRunnerTests {
    private struct Broken: Error, CustomStringConvertible { let description = "the probe broke" }

    private func context(_ folder: FilePath, patience: Duration = .zero) async throws -> CheckContext {
        let settings = try await Settings.test(folder: folder)
        return CheckContext(settings: settings, clients: SuiteClients(settings: settings, key: nil), patience: patience)
    }

    private func check(
        _ id: String, limit: Duration = .seconds(120), asksService: Bool = false, waitsForStart: Bool = false,
        _ run: @escaping @Sendable (CheckContext) async throws -> Finding
    ) -> Check {
        Check(
            id, .function, "title of \(id)", threshold: "t", command: "c", limit: limit, asksService: asksService,
            waitsForStart: waitsForStart, run: run)
    }

    @Test("A check that throws fails, and its error is the reason")
    func throwing() async throws {
        try await withScratchFolder { folder in
            let results = await CheckRunner(try await context(folder)).run([check("A") { _ in throw Broken() }])
            #expect(results[0].outcome == .fail)
            #expect(results[0].reason == "the probe broke")
        }
    }

    @Test("A check that does not end is inconclusive, never passed, and the others still run")
    func endless() async throws {
        try await withScratchFolder { folder in
            let results = await CheckRunner(try await context(folder)).run([
                check("A", limit: .milliseconds(20)) { _ in
                    try await Task.sleep(for: .seconds(3_600))
                    return Finding(.pass)
                },
                check("B") { _ in Finding(.pass) },
            ])
            #expect(results.map(\.outcome) == [.inconclusive, .pass])
        }
    }

    @Test("A service that does not answer in time has failed")
    func silent() async throws {
        try await withScratchFolder { folder in
            let results = await CheckRunner(try await context(folder)).run([
                check("A", limit: .milliseconds(20), asksService: true) { _ in
                    try await Task.sleep(for: .seconds(3_600))
                    return Finding(.pass)
                }
            ])
            #expect(results[0].outcome == .fail)
            #expect(results[0].reason == "did not answer within 0.02 s")
        }
    }

    @Test("A check that waits for a start has the patience besides its own time")
    func patient() async throws {
        try await withScratchFolder { folder in
            let results = await CheckRunner(try await context(folder, patience: .seconds(3_600))).run([
                check("A", limit: .zero, asksService: true, waitsForStart: true) { _ in
                    try await Task.sleep(for: .milliseconds(20))
                    return Finding(.pass)
                }
            ])
            #expect(results[0].outcome == .pass)
        }
    }

    @Test("Results of parallel checks come in the order of the checks")
    func order() async throws {
        try await withScratchFolder { folder in
            let reported = Mutex<[String]>([])
            let checks = (0..<8).map { number in
                check("\(number)") { _ in
                    try await Task.sleep(for: .milliseconds(40 - number * 5))
                    return Finding(.pass)
                }
            }
            let results = await CheckRunner(try await context(folder)) { result in reported.withLock { $0.append(result.id) } }
                .runInParallel(checks)
            #expect(results.map(\.id) == (0..<8).map(String.init))
            #expect(reported.withLock { $0 } == results.map(\.id))
        }
    }

    @Test("Every item of the checklist is there, with a command anyone can repeat")
    func checklist() async throws {
        try await withScratchFolder { folder in
            let all = Checklist.all(try await Settings.test(folder: folder))
            let ids = all.map(\.id)
            #expect(Set(ids).count == ids.count)
            for number in 1...33 { #expect(ids.contains(number < 10 ? "S0\(number)" : "S\(number)")) }
            #expect(Set(["G1", "G2", "G3", "G4", "P1", "P2", "P3", "P4", "P5"]).isSubset(of: ids))
            #expect(all.allSatisfy { !$0.command.isEmpty && !$0.threshold.isEmpty })
        }
    }
}
