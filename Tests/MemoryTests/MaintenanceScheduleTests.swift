import Foundation
import Testing

@testable import Memory

@Suite("When upkeep is due")
struct MaintenanceScheduleTests {
    private func schedule(zone: String = "Asia/Seoul") throws -> MaintenanceSchedule {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: zone))
        return MaintenanceSchedule(
            expiryInterval: 3_600, backupTime: try #require(MaintenanceSchedule.TimeOfDay("03:00")), calendar: calendar)
    }

    private func moment(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    @Test("What never ran is due, what has just run is not, and a clock that was put back makes it due")
    func first() throws {
        let schedule = try schedule()
        let now = try moment("2026-06-15T12:00:00Z")
        #expect(schedule.due([:], at: now) == [.expiry, .backup, .integrity, .optimize])
        let all = Dictionary(uniqueKeysWithValues: MaintenanceSchedule.Job.allCases.map { ($0, now) })
        #expect(schedule.due(all, at: now) == [])
        #expect(schedule.due(all, at: now.addingTimeInterval(-60)).count == 4)
        #expect(schedule.due(all, at: now.addingTimeInterval(3_600)) == [.expiry])
    }

    @Test("The backup is due when the clock shows its time, and once only for nights that were missed")
    func backup() throws {
        let schedule = try schedule()
        // 03:00 in Seoul is 18:00 of the day before in UTC.
        let last: [MaintenanceSchedule.Job: Date] = try Dictionary(
            uniqueKeysWithValues: MaintenanceSchedule.Job.allCases.map { ($0, try moment("2026-06-14T18:00:05Z")) })
        func isDue(_ text: String) throws -> Bool { schedule.due(last, at: try moment(text)).contains(.backup) }
        #expect(try !isDue("2026-06-15T17:59:59Z"))
        #expect(try isDue("2026-06-15T18:00:01Z"))
        #expect(try isDue("2026-06-18T09:00:00Z"))
        var later = last
        later[.backup] = try moment("2026-06-18T09:00:00Z")
        #expect(!schedule.due(later, at: try moment("2026-06-18T09:01:00Z")).contains(.backup))
        #expect(schedule.due(later, at: try moment("2026-06-18T18:00:01Z")).contains(.backup))
    }

    @Test("A night in which the clock leaps over the time has its backup all the same")
    func leap() throws {
        // In Berlin the clock goes from 02:00 to 03:00 on 29 March 2026.
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "Europe/Berlin"))
        let schedule = MaintenanceSchedule(
            expiryInterval: 3_600, backupTime: try #require(MaintenanceSchedule.TimeOfDay("02:30")), calendar: calendar)
        let last: [MaintenanceSchedule.Job: Date] = [.backup: try moment("2026-03-28T01:30:10Z")]
        #expect(schedule.due(last, at: try moment("2026-03-29T08:00:00Z")).contains(.backup))
    }

    @Test("Times of day are written with two digits each", arguments: ["3:00", "24:00", "03:60", "03", "03:00:00", "aa:bb", "-1:00", ""])
    func times(text: String) { #expect(MaintenanceSchedule.TimeOfDay(text) == nil) }
}
