import HTTPTypes
import ServiceKit
import SuiteAPI

/// The body of an upsert: a list of points, or ids, vectors and payloads side by side.
struct UpsertBody: Decodable, Sendable {
    let records: [PointRecord]

    private struct Point: Decodable {
        let id: PointID
        let vector: JSONFloats
        let payload: [String: JSONValue]?

        private enum CodingKeys: CodingKey { case id, vector, payload }

        init(from decoder: any Decoder) throws {
            try decoder.refuseMembers(besides: ["id", "vector", "payload"], of: "a point")
            let container = try decoder.container(keyedBy: CodingKeys.self)
            id = try container.decode(PointID.self, forKey: .id)
            vector = try container.decode(JSONFloats.self, forKey: .vector)
            payload = try container.decodeIfPresent([String: JSONValue].self, forKey: .payload)
        }
    }
    private struct Batch: Decodable {
        let ids: [PointID]
        let vectors: [JSONFloats]
        let payloads: [[String: JSONValue]?]?
    }
    private enum Keys: CodingKey { case points, batch }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: ["points", "batch"], of: "an upsert")
        let container = try decoder.container(keyedBy: Keys.self)
        if container.contains(.batch) {
            let batch = try container.decode(Batch.self, forKey: .batch)
            guard batch.ids.count == batch.vectors.count, batch.payloads.map({ $0.count == batch.ids.count }) ?? true else {
                throw ServiceError.badRequest("ids, vectors and payloads of a batch must be equally many.", code: "uneven_batch")
            }
            records = batch.ids.indices.map { index in
                PointRecord(id: batch.ids[index], vector: batch.vectors[index].wrappedValue, payload: batch.payloads?[index] ?? [:])
            }
        } else {
            records = try container.decode([Point].self, forKey: .points).map {
                PointRecord(id: $0.id, vector: $0.vector.wrappedValue, payload: $0.payload ?? [:])
            }
        }
    }
}

/// Points chosen by id or by filter.
struct SelectorBody: Decodable, Sendable {
    let points: [PointID]?
    let filter: Filter?

    private enum CodingKeys: CodingKey { case points, filter }

    init(points: [PointID]?, filter: Filter?) {
        self.points = points
        self.filter = filter
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: ["points", "filter"], of: "a selection")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        points = try container.decodeIfPresent([PointID].self, forKey: .points)
        filter = try container.decodeIfPresent(Filter.self, forKey: .filter)
    }

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
    /// Members to remove; each may be a path.
    let keys: [String]?
    /// Where `payload` goes; the payload itself without one.
    let key: String?
    let points: [PointID]?
    let filter: Filter?

    private enum CodingKeys: String, CodingKey, CaseIterable { case payload, keys, key, points, filter }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: Set(CodingKeys.allCases.map(\.rawValue)), of: "a change of payloads")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        payload = try container.decodeIfPresent([String: JSONValue].self, forKey: .payload)
        keys = try container.decodeIfPresent([String].self, forKey: .keys)
        key = try container.decodeIfPresent(String.self, forKey: .key)
        points = try container.decodeIfPresent([PointID].self, forKey: .points)
        filter = try container.decodeIfPresent(Filter.self, forKey: .filter)
    }

    var selector: SelectorBody { SelectorBody(points: points, filter: filter) }

    /// - Throws: 422 without a payload: a change that was left out must not empty what is there.
    @Sendable static func needPayload(_ body: PayloadBody) throws {
        guard body.payload != nil else { throw ServiceError.invalid("The field “payload” is missing.", parameter: "payload") }
    }

    /// - Throws: 422 without keys.
    @Sendable static func needKeys(_ body: PayloadBody) throws {
        guard body.keys != nil else { throw ServiceError.invalid("The field “keys” is missing.", parameter: "keys") }
    }
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
        case .only(let names): JSONValue.object(payload).keeping(names.flatMap(PayloadPath.meanings)) ?? .object([:])
        case .except(let names): JSONValue.object(payload).removing(names.flatMap(PayloadPath.meanings)) ?? .object([:])
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
    /// Counts are always exact here.
    let exact: Bool?

    private enum CodingKeys: String, CodingKey, CaseIterable { case ids, offset, limit, filter, with_payload, with_vector, exact }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: Set(CodingKeys.allCases.map(\.rawValue)), of: "a request for points")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        ids = try container.decodeIfPresent([PointID].self, forKey: .ids)
        offset = try container.decodeIfPresent(PointID.self, forKey: .offset)
        limit = try container.decodeIfPresent(Int.self, forKey: .limit)
        filter = try container.decodeIfPresent(Filter.self, forKey: .filter)
        with_payload = try container.decodeIfPresent(PayloadSelection.self, forKey: .with_payload)
        with_vector = try container.decodeIfPresent(Bool.self, forKey: .with_vector)
        exact = try container.decodeIfPresent(Bool.self, forKey: .exact)
    }
}

/// Several searches.
struct SearchesBody: Decodable, Sendable { let searches: [SearchBody] }

/// A search in either of its two forms: `query` (universal) or `vector` (legacy).
struct SearchBody: Decodable, Sendable {
    enum Query: Decodable, Sendable {
        case vector([Float])
        case point(PointID)

        private enum Keys: CodingKey { case nearest }

        init(from decoder: any Decoder) throws {
            if let vector = try? decoder.singleValueContainer().decode(JSONFloats.self) {
                self = .vector(vector.wrappedValue)
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
    let prefetch: [JSONValue]?
    let using: String?
    let params: Params?

    /// How the search is done. What quantisation and the like would do is of no account here: vectors are always whole.
    struct Params: Decodable, Sendable {
        /// Whether every point is looked at.
        let exact: Bool?
        /// Points of the graph that are looked at, at least.
        let hnsw_ef: Int?
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case query, vector, filter, limit, offset, score_threshold, with_payload, with_vector, prefetch, using, params
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseMembers(besides: Set(CodingKeys.allCases.map(\.rawValue)), of: "a search")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        query = try container.decodeIfPresent(Query.self, forKey: .query)
        vector = try container.decodeIfPresent(JSONFloats.self, forKey: .vector)?.wrappedValue
        filter = try container.decodeIfPresent(Filter.self, forKey: .filter)
        limit = try container.decodeIfPresent(Int.self, forKey: .limit)
        offset = try container.decodeIfPresent(Int.self, forKey: .offset)
        score_threshold = try container.decodeIfPresent(Float.self, forKey: .score_threshold)
        with_payload = try container.decodeIfPresent(PayloadSelection.self, forKey: .with_payload)
        with_vector = try container.decodeIfPresent(Bool.self, forKey: .with_vector)
        prefetch = try container.decodeIfPresent([JSONValue].self, forKey: .prefetch)
        using = try container.decodeIfPresent(String.self, forKey: .using)
        params = try container.decodeIfPresent(Params.self, forKey: .params)
    }
}
