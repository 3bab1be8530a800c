import Foundation

/// Which daily backups stay: ninety days of them, and the first of each month for a year (spec/05 §5.9 of the reference system).
enum BackupRetention {
    private static let days = 90
    private static let monthly = 365

    /// A backup's day and what it is called.
    struct Day: Sendable, Hashable, Comparable {
        /// `2026-01-31`, in UTC.
        let text: String

        /// `nil` for what is no day.
        init?(_ text: String) {
            guard text.utf8.count == 10, (try? Self.style.parse(text)).map({ $0.formatted(Self.style) == text }) == true else { return nil }
            self.text = text
        }

        init(_ date: Date) { text = date.formatted(Self.style) }

        private static let style = Date.ISO8601FormatStyle().year().month().day()

        var date: Date { (try? Self.style.parse(text)) ?? .distantPast }
        var isFirstOfMonth: Bool { text.hasSuffix("-01") }

        static func < (left: Day, right: Day) -> Bool { left.text < right.text }
    }

    /// Days whose backups can go. The newest stays whatever its age: a machine that slept for a year is no reason to have none.
    static func expired(_ all: [Day], today: Day) -> [Day] {
        let newest = all.max()
        return all.filter { day in
            let age = Int((today.date.timeIntervalSince(day.date) / 86_400).rounded())
            return day != newest && age > (day.isFirstOfMonth ? monthly : days)
        }
    }
}
