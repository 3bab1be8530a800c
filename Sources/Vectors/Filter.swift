import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI

/// Which points take part, by their payload or id (https://qdrant.tech/documentation/concepts/filtering/).
struct Filter: Decodable, Sendable {
    let must: [Condition]
    let should: [Condition]
    let mustNot: [Condition]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case must, should
        case mustNot = "must_not"
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: Set(CodingKeys.allCases.map(\.rawValue)), of: "a filter")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func list(_ key: CodingKeys) throws -> [Condition] {
            guard container.contains(key), try !container.decodeNil(forKey: key) else { return [] }
            // A single condition may stand without a list.
            if (try? container.nestedUnkeyedContainer(forKey: key)) == nil { return [try container.decode(Condition.self, forKey: key)] }
            return try container.decode([Condition].self, forKey: key)
        }
        must = try list(.must)
        should = try list(.should)
        mustNot = try list(.mustNot)
    }

    /// The points that it names, when only those can pass.
    var namedPoints: Set<PointID>? {
        for case .hasID(let ids) in must { return ids }
        return nil
    }

    /// - Parameter wordFields: fields with a text index, in which words are matched instead of substrings.
    func matches(_ id: PointID, _ payload: [String: JSONValue], wordFields: Set<String>) -> Bool {
        func holds(_ condition: Condition) -> Bool { condition.matches(id, payload, wordFields: wordFields) }
        return must.allSatisfy(holds) && (should.isEmpty || should.contains(where: holds)) && !mustNot.contains(where: holds)
    }
}

/// One condition of a ``Filter``.
indirect enum Condition: Decodable, Sendable {
    case match(key: String, Match)
    case range(key: String, Range)
    case valuesCount(key: String, Range)
    case isEmpty(key: String)
    case isNull(key: String)
    case hasID(Set<PointID>)
    case nested(Filter)

    enum Match: Sendable {
        case value(JSONValue), any([JSONValue]), except([JSONValue]), text(String)
    }

    struct Range: Decodable, Sendable {
        let gt: Double?
        let gte: Double?
        let lt: Double?
        let lte: Double?

        func contains(_ value: Double) -> Bool {
            (gt.map { value > $0 } ?? true) && (gte.map { value >= $0 } ?? true) && (lt.map { value < $0 } ?? true)
                && (lte.map { value <= $0 } ?? true)
        }
    }

    private struct Key: Decodable { let key: String }

    /// What a condition looks at; each has one.
    private static let kinds: Set<String> = ["match", "range", "values_count", "is_empty", "is_null", "has_id"]
    private static let parts = Set(Filter.CodingKeys.allCases.map(\.rawValue))

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: AnyKey.self)
        let names = Set(object.allKeys.filter { (try? object.decodeNil(forKey: $0)) == false }.map(\.stringValue)).subtracting(["key"])
        guard names.isDisjoint(with: Self.parts) else {
            self = .nested(try Filter(from: decoder))
            return
        }
        guard let kind = names.first, names.count == 1, Self.kinds.contains(kind) else {
            throw ServiceError(
                .notImplemented, code: "not_supported",
                names.isEmpty
                    ? "A condition looks at nothing."
                    : "This store does not support a condition of \(names.sorted().map { "“\($0)”" }.joined(separator: " and ")).")
        }
        func key() throws -> String { try object.decode(String.self, forKey: AnyKey("key")) }
        switch kind {
        case "match": self = .match(key: try key(), try Self.match(try object.decode(JSONValue.self, forKey: AnyKey(kind))))
        case "range": self = .range(key: try key(), try object.decode(Range.self, forKey: AnyKey(kind)))
        case "values_count": self = .valuesCount(key: try key(), try object.decode(Range.self, forKey: AnyKey(kind)))
        case "is_empty": self = .isEmpty(key: try object.decode(Key.self, forKey: AnyKey(kind)).key)
        case "is_null": self = .isNull(key: try object.decode(Key.self, forKey: AnyKey(kind)).key)
        default: self = .hasID(Set(try object.decode([PointID].self, forKey: AnyKey(kind))))
        }
    }

    private static func match(_ match: JSONValue) throws -> Match {
        if let value = match["value"] { return .value(value) }
        if let values = match["any"]?.arrayValue { return .any(values) }
        if let values = match["except"]?.arrayValue { return .except(values) }
        if let text = match["text"]?.stringValue { return .text(text) }
        throw ServiceError.badRequest("A match needs value, any, except or text.", code: "invalid_filter")
    }

    func matches(_ id: PointID, _ payload: [String: JSONValue], wordFields: Set<String>) -> Bool {
        switch self {
        case .match(let key, let match):
            let isWords = wordFields.contains(key)
            return Self.elements(key, payload).contains { $0 != .null && Self.matches($0, match, isWords: isWords) }
        case .range(let key, let range): return Self.elements(key, payload).contains { $0.doubleValue.map(range.contains) ?? false }
        case .valuesCount(let key, let range):
            return range.contains(Double(Self.found(key, payload).reduce(0) { $0 + ($1 == .null ? 0 : $1.arrayValue?.count ?? 1) }))
        case .isEmpty(let key): return Self.elements(key, payload).allSatisfy { $0 == .null }
        case .isNull(let key): return Self.found(key, payload).contains { $0 == .null || $0.arrayValue?.contains(.null) == true }
        case .hasID(let ids): return ids.contains(id)
        case .nested(let filter): return filter.matches(id, payload, wordFields: wordFields)
        }
    }

    private static func matches(_ value: JSONValue, _ match: Match, isWords: Bool) -> Bool {
        switch match {
        case .value(let wanted): value == wanted
        case .any(let wanted): wanted.contains(value)
        case .except(let unwanted): !unwanted.contains(value)
        case .text(let text): value.stringValue.map { isWords ? words($0).isSuperset(of: words(text)) : $0.contains(text) } ?? false
        }
    }

    private static func words(_ text: String) -> Set<Substring> {
        Set(text.precomposedStringWithCanonicalMapping.lowercased().split { !$0.isLetter && !$0.isNumber })
    }

    /// What stands at a key: every element of a list, or the value itself.
    private static func elements(_ key: String, _ payload: [String: JSONValue]) -> [JSONValue] {
        found(key, payload).flatMap { value in value.arrayValue ?? [value] }
    }

    private static func found(_ key: String, _ payload: [String: JSONValue]) -> [JSONValue] {
        if let direct = payload[key] { return [direct] }
        return PayloadPath(key).values(in: payload)
    }
}
