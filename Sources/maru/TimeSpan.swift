import ArgumentParser

/// A span of time on a command line: a number with s, m, h or d.
struct TimeSpan: ExpressibleByArgument, Sendable, CustomStringConvertible {
    static let zero = TimeSpan(seconds: 0)

    let seconds: Int

    private init(seconds: Int) { self.seconds = seconds }

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        let digits = unit == nil ? Substring(argument) : argument.dropLast()
        guard let count = Int(digits), (0...1_000_000).contains(count), unit != nil || count == 0 else { return nil }
        seconds = count * (unit ?? 1)
    }

    var duration: Duration { .seconds(seconds) }

    /// In the largest unit that has no rest.
    var description: String {
        let unit = [(86_400, "d"), (3_600, "h"), (60, "m")].first { seconds > 0 && seconds % $0.0 == 0 } ?? (1, "s")
        return "\(seconds / unit.0)\(unit.1)"
    }
    var defaultValueDescription: String { description }
}
