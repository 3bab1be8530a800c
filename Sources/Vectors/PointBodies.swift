import HTTPTypes
import ServiceKit
import SuiteAPI

/// The body of an upsert: a list of points, or ids, vectors and payloads side by side.
struct UpsertBody: Decodable, Sendable {
    let records: [PointRecord]

    private struct Point: Decodable {
        let id: PointID
        let vector: [Float]
        let payload: [String: JSONValue]?
    }
    private struct Batch: Decodable {
        let ids: [PointID]
        let vectors: [[Float]]
        let payloads: [[String: JSONValue]?]?
    }
    private enum Keys: CodingKey { case points, batch }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        if container.contains(.batch) {
            let batch = try container.decode(Batch.self, forKey: .batch)
            guard batch.ids.count == batch.vectors.count, batch.payloads.map({ $0.count == batch.ids.count }) ?? true else {
                throw ServiceError.badRequest("ids, vectors and payloads of a batch must be equally many.", code: "uneven_batch")
            }
            records = batch.ids.indices.map { index in
                PointRecord(id: batch.ids[index], vector: batch.vectors[index], payload: batch.payloads?[index] ?? [:])
            }
        } else {
            records = try container.decode([Point].self, forKey: .points).map {
                PointRecord(id: $0.id, vector: $0.vector, payload: $0.payload ?? [:])
            }
        }
    }
}

/// Points chosen by id or by filter.
struct SelectorBody: Decodable, Sendable {
    let points: [PointID]?
    let filter: Filter?

    /// - Throws: 400 when neither is given: a change of everything must be asked for in so many words.
    func chosen(in collection: Collection) throws -> [PointID] {
        if let points { return try points.map { try $0.validated() } }
        guard let filter else { throw ServiceError.badRequest("Name “points” or a “filter”.", code: "no_selection") }
        return collection.matching(filter)
    }
}

/// A change of payloads.
struct PayloadBody: Decodable, Sendable {
    let payload: [String: JSONValue]?
    let keys: [String]?
    let points: [PointID]?
    let filter: Filter?

    var selector: SelectorBody { SelectorBody(points: points, filter: filter) }
}

/// Which members of a payload are wanted: all, none, these, or all but these.
enum PayloadSelection: Decodable, Sendable {
    case all, none
    case only([String])
    case except([String])

    private enum Keys: CodingKey { case include, exclude }

    init(from decoder: any Decoder) throws {
        if let flag = try? decoder.singleValueContainer().decode(Bool.self) {
            self = flag ? .all : .none
        } else if let names = try? decoder.singleValueContainer().decode([String].self) {
            self = .only(names)
        } else {
            let container = try decoder.container(keyedBy: Keys.self)
            self =
                if let names = try container.decodeIfPresent([String].self, forKey: .include) { .only(names) } else {
                    .except(try container.decode([String].self, forKey: .exclude))
                }
        }
    }

    func apply(_ payload: [String: JSONValue]) -> JSONValue {
        switch self {
        case .all: .object(payload)
        case .none: .null
        case .only(let names): .object(payload.filter { names.contains($0.key) })
        case .except(let names): .object(payload.filter { !names.contains($0.key) })
        }
    }
}

/// Retrieving by id, scrolling, counting.
struct ReadBody: Decodable, Sendable {
    let ids: [PointID]?
    let offset: PointID?
    let limit: Int?
    let filter: Filter?
    let with_payload: PayloadSelection?
    let with_vector: Bool?
}

/// A search in either of its two forms: `query` (universal) or `vector` (legacy).
struct SearchBody: Decodable, Sendable {
    enum Query: Decodable, Sendable {
        case vector([Float])
        case point(PointID)

        private enum Keys: CodingKey { case nearest }

        init(from decoder: any Decoder) throws {
            if let vector = try? decoder.singleValueContainer().decode([Float].self) {
                self = .vector(vector)
            } else if let id = try? decoder.singleValueContainer().decode(PointID.self) {
                self = .point(id)
            } else if let container = try? decoder.container(keyedBy: Keys.self), container.contains(.nearest) {
                self = try container.decode(Query.self, forKey: .nearest)
            } else {
                throw ServiceError(
                    .notImplemented, code: "not_supported",
                    "This store answers nearest-neighbour queries: a vector, a point's id, or “nearest”.")
            }
        }
    }

    let query: Query?
    let vector: [Float]?
    let filter: Filter?
    let limit: Int?
    let offset: Int?
    let score_threshold: Float?
    let with_payload: PayloadSelection?
    let with_vector: Bool?
    let prefetch: JSONValue?
    let using: String?
}
