import CHnsw
import Dispatch
import HTTPTypes
import ServiceKit
import Synchronization

/// The graph over a collection's vectors. A cache: everything in it can be built again from the points.
///
/// Sendable by its owner: ``Collection`` touches it only under its own lock.
final class GraphIndex {
    /// Below this many points looking at all of them is as fast as a graph, and exact.
    static let threshold = 2_000
    private static let neighbours = 16
    /// As Qdrant's default.
    private static let effortOfBuilding = 100
    /// Points that are looked at: of the 50 nearest among 30,000 made-up vectors of 384, around 2,000 centres, 95 in a hundred are found so.
    /// Whoever asks for very many needs few more than that.
    private static func effort(_ asked: Int, limit: Int) -> Int { max(asked, 128, min(limit * 8, max(400, limit + 256))) }

    private let handle: OpaquePointer

    init(dimension: Int, capacity: Int) throws {
        guard let handle = chnsw_create(dimension, max(capacity, 1_024), Self.neighbours, Self.effortOfBuilding) else {
            throw Self.lastError()
        }
        self.handle = handle
    }

    deinit { chnsw_free(handle) }

    /// Puts a vector in the place of the one that the slot may have had.
    func replace(_ vector: [Float], slot: Int) throws {
        guard chnsw_reserve(handle, 1), chnsw_add(handle, vector, UInt64(slot)) else { throw Self.lastError() }
    }

    /// Adds vectors of slots that the graph never had, on all processors at once.
    ///
    /// - Parameter vector: of a slot; it has to stay where it is until this returns.
    func add(_ slots: some RandomAccessCollection<Int>, _ vector: (Int) -> UnsafePointer<Float>) throws {
        guard chnsw_reserve(handle, slots.count) else { throw Self.lastError() }
        // The library lets several threads add at once (its levels are drawn without a lock: which they are does not matter); nobody else has
        // the graph meanwhile, and the vectors stay as they are.
        nonisolated(unsafe) let (handle, vectors) = (handle, slots.map { (UInt64($0), vector($0)) })
        let failure = Mutex<ServiceError?>(nil)
        DispatchQueue.concurrentPerform(iterations: vectors.count) { index in
            let (label, vector) = vectors[index]
            // What went wrong is known to this thread alone.
            if !chnsw_add(handle, vector, label) { failure.withLock { $0 = Self.lastError() } }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// A slot the graph never had is not there to be removed; that is as good.
    func remove(slot: Int) { _ = chnsw_remove(handle, UInt64(slot)) }

    /// The nearest slots with their inner products, best first.
    func search(_ query: [Float], limit: Int, effort: Int) throws -> [(slot: Int, score: Float)] {
        var labels = [UInt64](repeating: 0, count: limit)
        var scores = [Float](repeating: 0, count: limit)
        var found = 0
        guard chnsw_search(handle, query, limit, Self.effort(effort, limit: limit), &labels, &scores, &found) else {
            throw Self.lastError()
        }
        return (0..<found).map { (Int(labels[$0]), scores[$0]) }
    }

    private static func lastError() -> ServiceError {
        ServiceError(.internalServerError, code: "index_failed", "The vector index failed: \(String(cString: chnsw_last_error()))")
    }
}
