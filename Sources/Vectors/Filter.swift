import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI

/// Which points take part, by their payload or id (https://qdrant.tech/documentation/concepts/filtering/).
struct Filter: Decodable, Sendable {
    let must: [Condition]
    let should: [Condition]
    let mustNot: [Condition]

    enum CodingKeys: String, CodingKey {
        case must, should
        case mustNot = "must_not"
        case minShould = "min_should"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func list(_ key: CodingKeys) throws -> [Condition] {
            guard container.contains(key), try !container.decodeNil(forKey: key) else { return [] }
            // A single condition may stand without a list.
            if let one = try? container.decode(Condition.self, forKey: key) { return [one] }
            return try container.decode([Condition].self, forKey: key)
        }
        guard try !container.contains(.minShould) || container.decodeNil(forKey: .minShould) else {
            throw ServiceError(.notImplemented, code: "not_supported", "min_should is not supported by this store.")
        }
        must = try list(.must)
        should = try list(.should)
        mustNot = try list(.mustNot)
    }

    func matches(_ id: PointID, _ payload: [String: JSONValue]) -> Bool {
        must.allSatisfy { $0.matches(id, payload) } && (should.isEmpty || should.contains { $0.matches(id, payload) })
            && !mustNot.contains { $0.matches(id, payload) }
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

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: AnyKey.self)
        func has(_ name: String) -> Bool { object.contains(AnyKey(name)) && (try? object.decodeNil(forKey: AnyKey(name))) == false }
        func key() throws -> String { try object.decode(String.self, forKey: AnyKey("key")) }
        if has("match") {
            let match = try object.decode(JSONValue.self, forKey: AnyKey("match"))
            if let value = match["value"] {
                self = .match(key: try key(), .value(value))
            } else if let values = match["any"]?.arrayValue {
                self = .match(key: try key(), .any(values))
            } else if let values = match["except"]?.arrayValue {
                self = .match(key: try key(), .except(values))
            } else if let text = match["text"]?.stringValue {
                self = .match(key: try key(), .text(text))
            } else {
                throw ServiceError.badRequest("A match needs value, any, except or text.", code: "invalid_filter")
            }
        } else if has("range") {
            self = .range(key: try key(), try object.decode(Range.self, forKey: AnyKey("range")))
        } else if has("values_count") {
            self = .valuesCount(key: try key(), try object.decode(Range.self, forKey: AnyKey("values_count")))
        } else if has("is_empty") {
            self = .isEmpty(key: try object.decode(Key.self, forKey: AnyKey("is_empty")).key)
        } else if has("is_null") {
            self = .isNull(key: try object.decode(Key.self, forKey: AnyKey("is_null")).key)
        } else if has("has_id") {
            self = .hasID(Set(try object.decode([PointID].self, forKey: AnyKey("has_id"))))
        } else if has("must") || has("should") || has("must_not") {
            self = .nested(try Filter(from: decoder))
        } else {
            let names = object.allKeys.map(\.stringValue).sorted().joined(separator: ", ")
            throw ServiceError(.notImplemented, code: "not_supported", "This store does not support a condition of “\(names)”.")
        }
    }

    func matches(_ id: PointID, _ payload: [String: JSONValue]) -> Bool {
        switch self {
        case .match(let key, let match): return Self.values(key, payload).contains { Self.matches($0, match) }
        case .range(let key, let range): return Self.values(key, payload).contains { $0.doubleValue.map(range.contains) ?? false }
        case .valuesCount(let key, let range): return range.contains(Double(Self.values(key, payload).count))
        case .isEmpty(let key): return Self.values(key, payload).allSatisfy { $0 == .null }
        case .isNull(let key): return Self.raw(key, payload).contains(.null)
        case .hasID(let ids): return ids.contains(id)
        case .nested(let filter): return filter.matches(id, payload)
        }
    }

    private static func matches(_ value: JSONValue, _ match: Match) -> Bool {
        switch match {
        case .value(let wanted): value == wanted
        case .any(let wanted): wanted.contains(value)
        case .except(let unwanted): !unwanted.contains(value)
        case .text(let text): value.stringValue?.localizedStandardContains(text) ?? false
        }
    }

    /// What stands at a key: every element of a list, or the value itself.
    private static func values(_ key: String, _ payload: [String: JSONValue]) -> [JSONValue] {
        raw(key, payload).flatMap { value in value.arrayValue ?? [value] }
    }

    /// Follows a path of names separated by dots; `[]` after a name goes through a list.
    private static func raw(_ key: String, _ payload: [String: JSONValue]) -> [JSONValue] {
        if let direct = payload[key] { return [direct] }
        return key.split(separator: ".").reduce([JSONValue.object(payload)]) { found, part in
            let goesThrough = part.hasSuffix("[]")
            let name = String(goesThrough ? part.dropLast(2) : part)
            let next = found.compactMap { $0[name] }
            return goesThrough ? next.flatMap { $0.arrayValue ?? [] } : next
        }
    }
}

/// A coding key that takes any name.
struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
