/// One setting: its name in the environment and in `.env`, what it may hold, and its default.
public struct Setting<Value: Sendable>: Sendable {
    public let name: String
    public let summary: String
    /// What a value may be, in words, for the message that refuses another one.
    public let allowed: String
    public let defaultValue: Value
    /// The default as it would stand in `.env`.
    public let defaultText: String
    public let isSecret: Bool
    let parse: @Sendable (String) -> Value?
}

/// A setting without its type: what `maru config`, the docs and the start-up validation need.
public protocol SettingDescription: Sendable {
    var name: String { get }
    var summary: String { get }
    var allowed: String { get }
    var defaultText: String { get }
    var isSecret: Bool { get }
    func accepts(_ text: String) -> Bool
}

extension Setting: SettingDescription {
    public func accepts(_ text: String) -> Bool { parse(text) != nil }
}

extension Setting where Value == Int {
    static func integer(_ name: String, _ value: Int, in range: ClosedRange<Int>, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)", defaultValue: value,
            defaultText: String(value), isSecret: false, parse: { Int($0).flatMap { range.contains($0) ? $0 : nil } })
    }

    static func port(_ name: String, _ value: Int, _ summary: String) -> Self { integer(name, value, in: 1...65535, summary) }
}

extension Setting where Value == Double {
    static func number(_ name: String, _ value: Double, in range: ClosedRange<Double>, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "a number from \(range.lowerBound) to \(range.upperBound)", defaultValue: value,
            defaultText: String(value), isSecret: false, parse: { Double($0).flatMap { range.contains($0) ? $0 : nil } })
    }
}

extension Setting where Value == Bool {
    static func flag(_ name: String, _ value: Bool, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "true or false", defaultValue: value, defaultText: String(value), isSecret: false,
            parse: { text in
                switch text.lowercased() {
                case "true", "1", "yes", "on": true
                case "false", "0", "no", "off": false
                default: nil
                }
            })
    }
}

extension Setting where Value == TimeOfDay {
    static func time(_ name: String, _ value: TimeOfDay, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "a time of day such as 03:00", defaultValue: value, defaultText: value.description,
            isSecret: false, parse: { TimeOfDay($0) })
    }
}

extension Setting where Value == String {
    static func text(_ name: String, _ value: String, _ summary: String, secret: Bool = false) -> Self {
        Setting(
            name: name, summary: summary, allowed: "any text", defaultValue: value, defaultText: value, isSecret: secret, parse: { $0 })
    }

    static func url(_ name: String, _ value: String, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "an http:// or https:// address without a path, or nothing", defaultValue: value,
            defaultText: value, isSecret: false,
            parse: { text in
                guard !text.isEmpty else { return text }
                guard let scheme = ["http://", "https://"].first(where: text.hasPrefix), text.count > scheme.count else { return nil }
                return text.hasSuffix("/") ? String(text.dropLast()) : text
            })
    }

    static func projectID(_ name: String, _ value: String, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "1 to 64 letters, digits, dots, dashes and underscores of ASCII, or nothing",
            defaultValue: value, defaultText: value, isSecret: false,
            parse: { $0.isEmpty || $0.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/#) != nil ? $0 : nil })
    }

    static func name(_ name: String, _ value: String, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "letters, digits, dot, dash and underscore, 1 to 128 of them", defaultValue: value,
            defaultText: value, isSecret: false,
            parse: { text in
                (1...128).contains(text.count) && text.allSatisfy { $0.isLetter || $0.isNumber || "._-".contains($0) } ? text : nil
            })
    }
}

extension Setting where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    static func choice(_ name: String, _ value: Value, _ summary: String) -> Self {
        Setting(
            name: name, summary: summary, allowed: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "), defaultValue: value,
            defaultText: value.rawValue, isSecret: false, parse: { Value(rawValue: $0.lowercased()) })
    }
}
