import Foundation

/// How long a conversation is kept, by its importance (spec/05 §5.5 of the reference system).
public enum Expiry {
    private static let days = [1: 0, 2: 3, 3: 7, 4: 14, 5: 30, 6: 30, 7: 90, 8: 180, 9: 365]

    /// When a conversation of a level has to go; `nil`: never. What is of no importance has to go at once.
    ///
    /// - Parameter level: 1 to 10.
    public static func date(level: Int, from moment: Date) -> Date? {
        days[level].map { moment.addingTimeInterval(Double($0) * 86_400) }
    }
}
