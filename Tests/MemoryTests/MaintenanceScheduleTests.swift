import Foundation
import Suite
import Testing

@testable import Memory

@Suite("When upkeep is due")
struct MaintenanceScheduleTests {
    private func schedule(zone: String = "Asia/Seoul", backup: String = "03:00") throws -> MaintenanceSchedule {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: zone))
        return MaintenanceSchedule(
            expiryInterval: 3_600, syncInterval: 300, digestInterval: 900, backupTime: try #require(TimeOfDay(backup)), calendar: calendar)
    }

    private func moment(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    /// Every job ran well at a moment.
    private func state(at moment: Date) -> MaintenanceState {
        var state = MaintenanceState()
        for job in MaintenanceSchedule.Job.allCases { state.jobs[job] = run(at: moment, failures: 0) }
        return state
    }

    private func run(at moment: Date, failures: Int) -> MaintenanceState.Run {
        var run = MaintenanceState.Run(at: moment, after: nil)
        struct Failed: Error {}
        if failures == 0 { run.end(at: moment, .success("done")) }
        for _ in 0..<failures { run.end(at: moment, .failure(Failed())) }
        return run
    }

    @Test("What never ran is due, what has just run is not, and a clock that was put back makes it due")
    func first() throws {
        let schedule = try schedule()
        let now = try moment("2026-06-15T12:00:00Z")
        let all = MaintenanceSchedule.Job.allCases
        #expect(schedule.due(MaintenanceState(), at: now) == all)
        let state = state(at: now)
        #expect(schedule.due(state, at: now) == [])
        #expect(schedule.due(state, at: now.addingTimeInterval(-60)) == all)
        #expect(schedule.due(state, at: now.addingTimeInterval(300)) == [.sync])
        #expect(schedule.due(state, at: now.addingTimeInterval(3_600)) == [.expiry, .sync, .digest])
        #expect(schedule.due(state, at: now.addingTimeInterval(8 * 86_400)) == all)
    }

    @Test("What failed is due again after pauses that grow, and work that comes often comes no less often")
    func failures() throws {
        let schedule = try schedule()
        let now = try moment("2026-06-15T12:00:00Z")
        func isDue(_ job: MaintenanceSchedule.Job, failures: Int, after seconds: Double) -> Bool {
            var state = state(at: now)
            state.jobs[job] = run(at: now, failures: failures)
            return schedule.due(state, at: now.addingTimeInterval(seconds)).contains(job)
        }
        for (failures, pause) in [(1, 60.0), (2, 120), (4, 480), (7, 3_600), (40, 3_600)] {
            #expect(!isDue(.backup, failures: failures, after: pause - 1))
            #expect(isDue(.backup, failures: failures, after: pause))
        }
        #expect(isDue(.sync, failures: 9, after: 300) && !isDue(.sync, failures: 9, after: 299))
    }

    @Test("What failed for some projects is repeated for those, until it is due for all")
    func repetitions() throws {
        let schedule = try schedule()
        let began = try moment("2026-06-14T18:00:05Z")
        var first = run(at: began, failures: 1)
        first.left = ["broken"]
        #expect(schedule.left(of: .backup, after: first, at: began.addingTimeInterval(60)) == ["broken"])
        // Repetitions go on to belong to the round in which it failed.
        var second = MaintenanceState.Run(at: began.addingTimeInterval(60), after: first, isRepetition: true)
        second.end(at: began.addingTimeInterval(61), .failure(CancellationError()))
        second.left = ["broken"]
        #expect(schedule.left(of: .backup, after: second, at: try moment("2026-06-15T17:59:59Z")) == ["broken"])
        #expect(schedule.left(of: .backup, after: second, at: try moment("2026-06-15T18:00:01Z")) == nil)
        #expect(schedule.left(of: .integrity, after: second, at: began.addingTimeInterval(7 * 86_400 - 1)) == ["broken"])
        #expect(schedule.left(of: .integrity, after: second, at: began.addingTimeInterval(7 * 86_400)) == nil)
        // One that succeeds in the end puts off nothing for the others.
        var third = MaintenanceState.Run(at: began.addingTimeInterval(6 * 86_400), after: second, isRepetition: true)
        third.end(at: began.addingTimeInterval(6 * 86_400), .success("done"))
        var state = MaintenanceState()
        state.jobs[.integrity] = third
        #expect(!schedule.due(state, at: began.addingTimeInterval(7 * 86_400 - 1)).contains(.integrity))
        #expect(schedule.due(state, at: began.addingTimeInterval(7 * 86_400)).contains(.integrity))
        #expect(schedule.left(of: .backup, after: run(at: began, failures: 0), at: began) == nil)
        #expect(schedule.left(of: .backup, after: run(at: began, failures: 2), at: began) == nil)
    }

    @Test("The backup is due when the clock shows its time, and once only for nights that were missed")
    func backup() throws {
        let schedule = try schedule()
        // 03:00 in Seoul is 18:00 of the day before in UTC.
        var state = state(at: try moment("2026-06-14T18:00:05Z"))
        func isDue(_ text: String) throws -> Bool { schedule.due(state, at: try moment(text)).contains(.backup) }
        #expect(try !isDue("2026-06-15T17:59:59Z"))
        #expect(try isDue("2026-06-15T18:00:01Z"))
        #expect(try isDue("2026-06-18T09:00:00Z"))
        state.jobs[.backup] = run(at: try moment("2026-06-18T09:00:00Z"), failures: 0)
        #expect(try !isDue("2026-06-18T09:01:00Z"))
        #expect(try isDue("2026-06-18T18:00:01Z"))
    }

    @Test("A night in which the clock leaps over the time has its backup all the same")
    func leap() throws {
        // In Berlin the clock goes from 02:00 to 03:00 on 29 March 2026.
        let schedule = try schedule(zone: "Europe/Berlin", backup: "02:30")
        #expect(schedule.due(state(at: try moment("2026-03-28T01:30:10Z")), at: try moment("2026-03-29T08:00:00Z")).contains(.backup))
    }

    @Test("Times of day are written with two digits each", arguments: ["3:00", "24:00", "03:60", "03", "03:00:00", "aa:bb", "-1:00", ""])
    func times(text: String) { #expect(TimeOfDay(text) == nil) }
}
