import ServiceKit
import SuiteAPI

/// The points of a collection in memory: vectors side by side for scanning, payloads for filtering.
struct PointSet {
    let config: CollectionConfig
    private(set) var slots: [PointID: Int] = [:]
    private var ids: [PointID?] = []
    private var vectors: [Float] = []
    private var payloads: [[String: JSONValue]] = []
    private var free: [Int] = []
    /// All ids in order, since somebody last went through them page by page; `nil` after a point came or went.
    var inOrder: [PointID]?
    /// How often a point came or went.
    private(set) var changes = 0 {
        didSet { inOrder = nil }
    }
    var graph: GraphIndex?
    var payloadIndexes: [String: JSONValue] = [:] {
        didSet { wordFields = Set(payloadIndexes.filter { $0.value["type"] == "text" || $0.value == "text" }.keys) }
    }
    /// Fields with a text index.
    private var wordFields: Set<String> = []

    init(config: CollectionConfig) { self.config = config }

    var count: Int { slots.count }

    func payload(_ id: PointID) -> [String: JSONValue]? { slots[id].map { payloads[$0] } }

    func vector(_ id: PointID) -> [Float]? { slots[id].map { Array(vectors[$0 * config.size..<($0 + 1) * config.size]) } }

    /// Puts points in, each in the place of the one with its id if there is one.
    mutating func put(_ points: some Swift.Collection<PointRecord>) throws {
        let first = ids.count
        do {
            for point in points {
                let slot = place(point)
                if slot < first { try graph?.replace(point.vector, slot: slot) }
            }
            if let graph { try add(first..<ids.count, to: graph) }
        } catch {
            // Without a graph all points are looked at, also those that it would not know of.
            graph = nil
            throw error
        }
    }

    /// - Returns: the slot of the point.
    private mutating func place(_ point: PointRecord) -> Int {
        let slot = slots[point.id] ?? free.popLast() ?? ids.count
        if slots[point.id] == nil { changes += 1 }
        if slot == ids.count {
            ids.append(point.id)
            vectors += point.vector
            payloads.append(point.payload)
        } else {
            ids[slot] = point.id
            vectors.replaceSubrange(slot * config.size..<(slot + 1) * config.size, with: point.vector)
            payloads[slot] = point.payload
        }
        slots[point.id] = slot
        return slot
    }

    private func add(_ slots: some RandomAccessCollection<Int>, to graph: GraphIndex) throws {
        try vectors.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            try graph.add(slots) { base + $0 * config.size }
        }
    }

    mutating func setPayload(_ id: PointID, _ payload: [String: JSONValue]) {
        if let slot = slots[id] { payloads[slot] = payload }
    }

    mutating func remove(_ id: PointID) {
        guard let slot = slots.removeValue(forKey: id) else { return }
        changes += 1
        ids[slot] = nil
        payloads[slot] = [:]
        free.append(slot)
        graph?.remove(slot: slot)
    }

    /// Ids of the points that a filter lets through.
    func matching(_ filter: Filter?) -> [PointID] {
        guard let filter else { return Array(slots.keys) }
        return candidates(filter).compactMap { id, slot in filter.matches(id, payloads[slot], wordFields: wordFields) ? id : nil }
    }

    /// The points that a filter can let through: all, or those that it names.
    private func candidates(_ filter: Filter?) -> [PointID: Int] {
        guard let named = filter?.namedPoints else { return slots }
        return named.reduce(into: [:]) { $0[$1] = slots[$1] }
    }

    /// The nearest points, best first. A filter is answered by looking at every point that it lets through, so it never costs recall.
    func search(_ query: [Float], limit: Int, filter: Filter?, isExact: Bool, effort: Int) throws -> [(id: PointID, score: Float)] {
        if filter == nil, !isExact, let graph {
            return try graph.search(query, limit: limit, effort: effort).compactMap { hit in ids[hit.slot].map { ($0, hit.score) } }
        }
        let scored: [(PointID, Float)] = candidates(filter).compactMap { id, slot in
            guard filter?.matches(id, payloads[slot], wordFields: wordFields) ?? true else { return nil }
            return (id, score(query, slot: slot))
        }
        return scored.sorted { config.distance.largerIsNearer ? $0.1 > $1.1 : $0.1 < $1.1 }.prefix(limit).map { (id: $0.0, score: $0.1) }
    }

    /// Builds the graph over all points.
    func builtGraph() throws -> GraphIndex {
        let graph = try GraphIndex(dimension: config.size, capacity: count * 5 / 4)
        try add(slots.values.sorted(), to: graph)
        return graph
    }

    private func score(_ query: [Float], slot: Int) -> Float {
        vectors.withUnsafeBufferPointer { all in
            query.withUnsafeBufferPointer { query in
                let start = slot * config.size
                var sum = SIMD8<Float>.zero
                var rest: Float = 0
                var index = 0
                let isEuclid = config.distance == .euclid
                while index + 8 <= config.size {
                    var left = SIMD8<Float>.zero
                    var right = SIMD8<Float>.zero
                    for lane in 0..<8 {
                        left[lane] = query[index + lane]
                        right[lane] = all[start + index + lane]
                    }
                    if isEuclid { left -= right }
                    sum += left * (isEuclid ? left : right)
                    index += 8
                }
                while index < config.size {
                    let difference = query[index] - all[start + index]
                    rest += isEuclid ? difference * difference : query[index] * all[start + index]
                    index += 1
                }
                let total = sum.sum() + rest
                return isEuclid ? total.squareRoot() : total
            }
        }
    }
}

extension PointID: Comparable {
    public static func < (left: PointID, right: PointID) -> Bool {
        switch (left, right) {
        case (.number(let left), .number(let right)): left < right
        case (.number, .uuid): true
        case (.uuid, .number): false
        case (.uuid(let left), .uuid(let right)): left < right
        }
    }
}
