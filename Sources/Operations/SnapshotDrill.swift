import AsyncHTTPClient
import Crypto
import Foundation
import NIOCore
import ServiceKit
import SuiteAPI

/// Proves snapshots by using them: makes one, downloads it, compares its checksum, restores it under another name, counts. Whatever comes
/// of it, neither the snapshot nor the restored copy stays.
struct SnapshotDrill {
    /// A snapshot that was made and downloaded.
    struct Proof: Sendable {
        let bytes: Int
        /// SHA-256 of what was downloaded.
        let checksum: String
        /// Whether the store tells a checksum; a wrong one is an error.
        let isChecksumTold: Bool
        /// Points of the restored copy; `nil` when none was asked for.
        let points: Int?
    }

    private let store: VectorStoreClient

    init(_ store: VectorStoreClient) { self.store = store }

    /// - Parameter isRestored: whether the snapshot is also restored, as `NAME-drill`.
    /// - Throws: what the store answers; an error when the checksum is wrong.
    func prove(_ collection: String, isRestored: Bool) async throws -> Proof {
        let snapshot = try await store.createSnapshot(of: collection)
        return try await finally {
            try await store.deleteSnapshot(snapshot.name, of: collection)
        } after: {
            let (bytes, checksum) = try await digest(snapshot.name, of: collection)
            if let told = snapshot.checksum, told != checksum {
                throw UpstreamError(
                    service: "qdrant", status: 200, message: "the checksum of a snapshot of \(collection) is \(checksum), not \(told)")
            }
            let points = isRestored ? try await restore(snapshot.name, of: collection, checksum: checksum) : nil
            return Proof(bytes: bytes, checksum: checksum, isChecksumTold: snapshot.checksum != nil, points: points)
        }
    }

    private func restore(_ snapshot: String, of collection: String, checksum: String) async throws -> Int {
        let copy = collection + "-drill"
        return try await finally {
            try await store.deleteCollection(copy)
        } after: {
            try await store.recover(copy, fromSnapshot: snapshot, of: collection, checksum: checksum)
            return try await store.collection(copy)?.points ?? 0
        }
    }

    private func digest(_ snapshot: String, of collection: String) async throws -> (bytes: Int, checksum: String) {
        var hash = SHA256()
        var count = 0
        for try await chunk in try await store.downloadSnapshot(snapshot, of: collection) {
            hash.update(data: chunk.readableBytesView)
            count += chunk.readableBytes
        }
        return (count, hash.finalize().hex)
    }

    /// Does work and cleans up after it, also when the work fails or its time is over. An error of the work hides one of the cleaning.
    private func finally<Value: Sendable>(
        _ clean: @escaping @Sendable () async throws -> Void, after work: @Sendable () async throws -> Value
    ) async throws -> Value {
        let result: Value
        do {
            result = try await work()
        } catch {
            // A task of its own, because the one at hand may be cancelled.
            try? await Task { try await clean() }.value
            throw error
        }
        try await Task { try await clean() }.value
        return result
    }
}
