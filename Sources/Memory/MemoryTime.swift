import Foundation

/// Times as they stand in the database and on the wire: UTC, ISO 8601, with milliseconds. Such texts sort as their times do, and SQLite's
/// own functions read them (https://www.sqlite.org/lang_datefunc.html).
enum MemoryTime {
    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// To the nearest millisecond. Formatting cuts off what is below one, and a moment that was read may lie a hair before its own.
    static func text(_ date: Date) -> String {
        Date(timeIntervalSince1970: (date.timeIntervalSince1970 * 1_000).rounded() / 1_000 + 0.000_1).formatted(style)
    }

    /// Reads what ``text(_:)`` writes, and the same without fractions.
    static func date(_ text: String) -> Date? { (try? style.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text)) }
}
