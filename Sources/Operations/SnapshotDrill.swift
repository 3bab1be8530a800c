import AsyncHTTPClient
import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// Proves a snapshot by using it: downloads it, checks its checksum, restores it under another name, counts, and cleans up.
struct SnapshotDrill {
    struct Restored {
        let points: Int
        let bytes: Int
        let checksum: String
    }

    private let context: CheckContext

    init(_ context: CheckContext) { self.context = context }

    func restore(_ collection: String) async throws -> Restored {
        let store = context.clients.client(.qdrant, timeout: .seconds(60))
        let made: JSONValue = try await store.send(.POST, "/collections/\(collection)/snapshots?wait=true")
        guard let name = made["result"]?["name"]?.stringValue else {
            throw UpstreamError(service: store.name, status: 200, message: "the snapshot has no name")
        }
        let bytes = try await store.bytes(.GET, "/collections/\(collection)/snapshots/\(name)")
        let checksum = SHA256.hash(data: Data(bytes.readableBytesView)).hex
        if let told = made["result"]?["checksum"]?.stringValue, told != checksum {
            throw UpstreamError(service: store.name, status: 200, message: "the snapshot's checksum is \(checksum), it says \(told)")
        }
        let copy = collection + "-drill"
        let location = "\(context.settings.baseURL(of: .qdrant))/collections/\(collection)/snapshots/\(name)"
        let body: JSONValue = ["location": .string(location), "checksum": .string(checksum)]
        let _: JSONValue = try await store.send(.PUT, "/collections/\(copy)/snapshots/recover?wait=true", body: body)
        let points = try await context.clients.vectors.collection(copy)?.points ?? 0
        try await context.clients.vectors.deleteCollection(copy)
        let _: JSONValue = try await store.send(.DELETE, "/collections/\(collection)/snapshots/\(name)")
        return Restored(points: points, bytes: bytes.readableBytes, checksum: checksum)
    }
}
