import Foundation

/// When the upkeep of memory is due. What was missed, because the machine slept or was off, is due at once, and only once.
struct MaintenanceSchedule: Sendable {
    enum Job: String, Sendable, Codable, CaseIterable { case expiry, backup, integrity, optimize }

    /// A time of day on the clock of the machine's time zone.
    struct TimeOfDay: Sendable, Equatable {
        let hour: Int
        let minute: Int

        /// `03:00`; `nil` for what is no time of day.
        init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
                let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
            else { return nil }
            (self.hour, self.minute) = (hour, minute)
        }
    }

    private static let week: TimeInterval = 7 * 86_400

    /// Between two looks for what is past its time.
    let expiryInterval: TimeInterval
    let backupTime: TimeOfDay
    let calendar: Calendar

    /// The jobs that are due, in the order in which they are to run: a backup comes before what changes much.
    ///
    /// - Parameter last: when each began last; one that never did is due.
    func due(_ last: [Job: Date], at moment: Date) -> [Job] {
        [.expiry, .backup, .integrity, .optimize].filter { job in
            guard let before = last[job], before <= moment else { return true }
            return switch job {
            case .expiry: moment.timeIntervalSince(before) >= expiryInterval
            case .backup: before < lastBackupTime(at: moment)
            case .integrity, .optimize: moment.timeIntervalSince(before) >= Self.week
            }
        }
    }

    /// The last moment at which the clock showed the time of the backup.
    private func lastBackupTime(at moment: Date) -> Date {
        calendar.nextDate(
            after: moment, matching: DateComponents(hour: backupTime.hour, minute: backupTime.minute, second: 0), matchingPolicy: .nextTime,
            direction: .backward) ?? moment.addingTimeInterval(-86_400)
    }
}
