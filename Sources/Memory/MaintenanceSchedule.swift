import Foundation
import Suite

/// When the upkeep of memory is due. What was missed, because the machine slept or was off, is due at once, and only once; what failed is due
/// again after pauses that grow, for those projects alone.
struct MaintenanceSchedule: Sendable {
    /// In the order in which they run: what a backup holds is in step, and it comes before what changes much.
    enum Job: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable { case expiry, sync, backup, integrity, optimize, digest }

    private static let week: TimeInterval = 7 * 86_400
    /// The first pause after a failure, and the longest.
    private static let pauses = 60.0...3_600.0

    /// Between two looks for what is past its time.
    let expiryInterval: TimeInterval
    /// Between two looks for vectors that are not written yet.
    let syncInterval: TimeInterval
    /// Between two looks for facts in what was said.
    let digestInterval: TimeInterval
    let backupTime: TimeOfDay
    let calendar: Calendar

    /// The jobs that are due.
    ///
    /// - Parameter state: what is known of earlier runs; a job that never ran is due.
    func due(_ state: MaintenanceState, at moment: Date) -> [Job] {
        Job.allCases.filter { job in
            guard let last = state.jobs[job], last.beganAt <= moment else { return true }
            let since = moment.timeIntervalSince(last.beganAt)
            if last.failures > 0 {
                let pause = Self.pauses.lowerBound * pow(2, Double(min(last.failures, 16) - 1))
                // Work that comes often anyway is not made rarer by failing.
                return since >= min(pause, Self.pauses.upperBound) || isDue(job, since: last.roundBeganAt, at: moment)
            }
            return isDue(job, since: last.roundBeganAt, at: moment)
        }
    }

    /// The projects that a job is repeated for; `nil` when it is due for all.
    func left(of job: Job, after last: MaintenanceState.Run, at moment: Date) -> Set<String>? {
        guard last.failures > 0, let left = last.left, last.roundBeganAt <= moment else { return nil }
        return isDue(job, since: last.roundBeganAt, at: moment) ? nil : Set(left)
    }

    /// Whether a job is due, that began before for all projects.
    private func isDue(_ job: Job, since beginning: Date, at moment: Date) -> Bool {
        guard let interval = interval(of: job) else { return beginning < lastBackupTime(at: moment) }
        return moment.timeIntervalSince(beginning) >= interval
    }

    /// `nil` for what is done at a time of day.
    private func interval(of job: Job) -> TimeInterval? {
        switch job {
        case .expiry: expiryInterval
        case .sync: syncInterval
        case .digest: digestInterval
        case .integrity, .optimize: Self.week
        case .backup: nil
        }
    }

    /// The last moment at which the clock showed the time of the backup.
    private func lastBackupTime(at moment: Date) -> Date {
        calendar.nextDate(
            after: moment, matching: DateComponents(hour: backupTime.hour, minute: backupTime.minute, second: 0), matchingPolicy: .nextTime,
            direction: .backward) ?? moment.addingTimeInterval(-86_400)
    }
}

extension MaintenanceSchedule {
    init(_ settings: Settings) {
        self.init(
            expiryInterval: Double(settings[SettingKeys.memoryExpiryInterval]),
            syncInterval: Double(settings[SettingKeys.memorySyncInterval]),
            digestInterval: Double(settings[SettingKeys.memoryDigestInterval]), backupTime: settings[SettingKeys.memoryBackupTime],
            calendar: .current)
    }
}
