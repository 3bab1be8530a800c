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
    static func date(_ text: String) -> Date? { own(text) ?? (try? style.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text)) }

    /// Reads what ``text(_:)`` writes, a hundred times as fast: each search reads the times of all that it ranks.
    private static func own(_ text: String) -> Date? {
        let bytes = Array(text.utf8)
        guard bytes.count == 24, bytes[23] == UInt8(ascii: "Z") else { return nil }
        for (place, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, ".")] as [(Int, Unicode.Scalar)]
        where bytes[place] != UInt8(ascii: mark) { return nil }
        var isNumber = true
        func number(_ places: Range<Int>) -> Int {
            bytes[places].reduce(0) { sum, byte in
                isNumber = isNumber && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                return sum * 10 + Int(byte) - 48
            }
        }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second, milliseconds) = (number(11..<13), number(14..<16), number(17..<19), number(20..<23))
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        guard isNumber, (1...12).contains(month), hour < 24, minute < 60, second < 60,
            (1...[31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]).contains(day)
        else { return nil }
        // Days since 1970-01-01, years counted from March on (https://howardhinnant.github.io/date_algorithms.html#days_from_civil).
        let shifted = month > 2 ? year : year - 1
        let (era, yearOfEra) = (shifted / 400, shifted % 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
        return Date(timeIntervalSince1970: Double(seconds * 1_000 + milliseconds) / 1_000)
    }
}
