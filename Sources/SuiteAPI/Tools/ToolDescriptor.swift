import Foundation
import ServiceKit

/// What a tool is, said once: permissions, limits, approvals, schemas, `/tools` and the docs come from it.
public struct ToolDescriptor: Sendable {
    /// How much harm a call can do. From ``high`` on, somebody else has to approve it.
    public enum Sensitivity: String, Sendable, Codable, Comparable, CaseIterable {
        case low, medium, high, critical

        public static func < (left: Sensitivity, right: Sensitivity) -> Bool { left.rank < right.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// What a call does to its resource.
    public enum Action: String, Sendable, Codable { case read, write, execute }

    /// What the permission is about, as the security database names it.
    public enum Resource: String, Sendable, Codable { case file, tool }

    /// Calls that a caller may make: `calls` + `burst` in any window of `seconds`, `concurrent` at once.
    public struct Limit: Sendable, Equatable {
        public let calls: Int
        public let seconds: Int
        public let burst: Int
        public let concurrent: Int

        public init(calls: Int, seconds: Int, burst: Int, concurrent: Int) {
            self.calls = calls
            self.seconds = seconds
            self.burst = burst
            self.concurrent = concurrent
        }
    }

    public let name: String
    public let title: String
    /// What it does and when to use it, for people and models alike.
    public let summary: String
    public let arguments: [ToolArgument]
    public let sensitivity: Sensitivity
    public let resource: Resource
    public let action: Action
    public let limit: Limit
    /// The least of the three system roles that may call it.
    public let leastRole: Role
    /// Whether it reaches out of this stack, to hosts that nobody here controls.
    public let isOpenWorld: Bool
    /// Whether a second call with the same arguments changes nothing more.
    public let isIdempotent: Bool

    /// Whether a call has to be approved.
    public var needsApproval: Bool { sensitivity >= .high }

    /// JSON Schema (2020-12) of the arguments. Arguments that are not listed are refused.
    public var inputSchema: JSONValue {
        [
            "type": "object", "additionalProperties": false,
            "properties": .object(Dictionary(uniqueKeysWithValues: arguments.map { ($0.name, $0.schema) })),
            "required": .array(arguments.filter { $0.isRequired }.map { .string($0.name) }),
        ]
    }
}

/// One argument of a tool.
public struct ToolArgument: Sendable {
    public enum Kind: Sendable, Equatable {
        /// Text of at most so many UTF-8 bytes.
        case string(maxBytes: Int)
        case integer(ClosedRange<Int>)
        case boolean
        /// One of these words.
        case choice([String])
        /// A list of texts, of at most so many.
        case strings(maxCount: Int)
    }

    public let name: String
    public let kind: Kind
    public let summary: String
    public let isRequired: Bool
    /// The value of an optional argument that is not given; `nil` where there is none.
    public let defaultValue: JSONValue?

    public var schema: JSONValue {
        var schema: [String: JSONValue] = ["description": .string(summary)]
        switch kind {
        case .string(let maxBytes):
            schema["type"] = "string"
            schema["maxLength"] = .integer(Int64(maxBytes))
        case .integer(let range):
            schema["type"] = "integer"
            schema["minimum"] = .integer(Int64(range.lowerBound))
            schema["maximum"] = .integer(Int64(range.upperBound))
        case .boolean: schema["type"] = "boolean"
        case .choice(let words):
            schema["type"] = "string"
            schema["enum"] = .array(words.map(JSONValue.string))
        case .strings(let maxCount):
            schema["type"] = "array"
            schema["items"] = ["type": "string"]
            schema["maxItems"] = .integer(Int64(maxCount))
        }
        if let defaultValue { schema["default"] = defaultValue }
        return .object(schema)
    }

    static func string(_ name: String, _ summary: String, default value: String? = nil, optional: Bool = false, maxBytes: Int = 4_096)
        -> ToolArgument
    {
        ToolArgument(
            name: name, kind: .string(maxBytes: maxBytes), summary: summary, isRequired: value == nil && !optional,
            defaultValue: value.map(JSONValue.string))
    }

    static func integer(_ name: String, _ summary: String, default value: Int, in range: ClosedRange<Int>) -> ToolArgument {
        ToolArgument(name: name, kind: .integer(range), summary: summary, isRequired: false, defaultValue: .integer(Int64(value)))
    }

    static func flag(_ name: String, _ summary: String, default value: Bool) -> ToolArgument {
        ToolArgument(name: name, kind: .boolean, summary: summary, isRequired: false, defaultValue: .bool(value))
    }

    static func choice(_ name: String, _ summary: String, of words: [String], default value: String? = nil) -> ToolArgument {
        ToolArgument(
            name: name, kind: .choice(words), summary: summary, isRequired: value == nil, defaultValue: value.map(JSONValue.string))
    }

    static func strings(_ name: String, _ summary: String, maxCount: Int) -> ToolArgument {
        ToolArgument(name: name, kind: .strings(maxCount: maxCount), summary: summary, isRequired: false, defaultValue: [])
    }
}
