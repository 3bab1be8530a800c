import AsyncHTTPClient
import Foundation
import NIOHTTP1
import ServiceKit

/// Speaks to a Qdrant: this suite's own or one elsewhere (`QDRANT_URL`).
public struct VectorStoreClient: Sendable {
    /// A snapshot as the store describes it.
    public struct Snapshot: Decodable, Sendable {
        public let name: String
        public let size: Int
        /// SHA-256 of its bytes in hexadecimal digits; old Qdrants do not tell it.
        public let checksum: String?
    }

    private let client: ServiceClient
    private let key: String?

    /// - Parameter key: what the store itself needs to fetch from its own address, where it asks for a key.
    public init(_ client: ServiceClient, key: String? = nil) {
        self.client = client
        self.key = key
    }

    /// Size of a collection's vectors and its number of points; `nil` when there is no such collection.
    public func collection(_ name: String) async throws -> (size: Int, points: Int)? {
        do {
            let answer: JSONValue = try await client.send(.GET, "/collections/\(Self.escaped(name))")
            guard let size = answer["result"]?["config"]?["params"]?["vectors"]?["size"]?.intValue else {
                throw UpstreamError(service: client.name, status: 200, message: "collection \(name) has no single unnamed vector")
            }
            return (size, answer["result"]?["points_count"]?.intValue ?? 0)
        } catch let error as UpstreamError where error.status == 404 {
            return nil
        }
    }

    /// Names of all collections.
    public func collections() async throws -> [String] {
        let answer: JSONValue = try await client.send(.GET, "/collections")
        return answer["result"]?["collections"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
    }

    /// Makes a collection of cosine vectors.
    public func createCollection(_ name: String, size: Int) async throws {
        let body: JSONValue = ["vectors": ["size": .integer(Int64(size)), "distance": "Cosine"]]
        let _: JSONValue = try await client.send(.PUT, "/collections/\(Self.escaped(name))", body: body)
    }

    /// - Returns: whether there was one.
    @discardableResult
    public func deleteCollection(_ name: String) async throws -> Bool {
        let answer: JSONValue = try await client.send(.DELETE, "/collections/\(Self.escaped(name))")
        return answer["result"]?.boolValue ?? false
    }

    /// The id of every point of a collection.
    public func ids(in collection: String) async throws -> [PointID] {
        struct Scroll: Codable {
            let limit = 1_000
            let offset: PointID?
            let with_payload = false
            let with_vector = false

            enum CodingKeys: CodingKey { case limit, offset, with_payload, with_vector }
        }
        struct Page: Codable, Sendable {
            struct Point: Codable, Sendable { let id: PointID }
            let points: [Point]
            let next_page_offset: PointID?
        }
        var found: [PointID] = []
        var offset: PointID?
        repeat {
            let page: QdrantAnswer<Page> = try await client.send(
                .POST, "/collections/\(Self.escaped(collection))/points/scroll", body: Scroll(offset: offset))
            found += page.result.points.map(\.id)
            offset = page.result.next_page_offset
        } while offset != nil
        return found
    }

    /// Writes points; they are durable when this returns.
    public func upsert(_ points: [PointRecord], to collection: String) async throws {
        let body = ["points": points]
        let _: JSONValue = try await client.send(.PUT, "/collections/\(Self.escaped(collection))/points?wait=true", body: body)
    }

    /// Removes points by id.
    public func delete(_ ids: [PointID], from collection: String) async throws {
        let body = ["points": ids]
        let _: JSONValue = try await client.send(.POST, "/collections/\(Self.escaped(collection))/points/delete?wait=true", body: body)
    }

    /// What is asked for the points that are nearest to a vector.
    public struct Search: Encodable, Sendable {
        private struct HasID: Encodable { let has_id: [PointID] }

        @JSONFloats private var query: [Float]
        private let limit: Int
        private let with_payload: Bool
        private let filter: [String: [HasID]]?

        /// - Parameters:
        ///   - ids: points that are compared; `nil`: all.
        ///   - payload: whether payloads come with them.
        public init(_ vector: [Float], limit: Int, among ids: [PointID]? = nil, payload: Bool = true) {
            (query, self.limit, with_payload) = (vector, limit, payload)
            filter = ids.map { ["must": [HasID(has_id: $0)]] }
        }
    }

    private struct Found: Codable, Sendable { let points: [ScoredPoint] }

    /// The nearest points, best first.
    public func search(_ search: Search, in collection: String) async throws -> [ScoredPoint] {
        let answer: QdrantAnswer<Found> = try await client.send(
            .POST, "/collections/\(Self.escaped(collection))/points/query", body: search)
        return answer.result.points
    }

    /// The same for several searches at once, in order.
    public func search(_ searches: [Search], in collection: String) async throws -> [[ScoredPoint]] {
        let answer: QdrantAnswer<[Found]> = try await client.send(
            .POST, "/collections/\(Self.escaped(collection))/points/query/batch", body: ["searches": searches])
        guard answer.result.count == searches.count else {
            throw UpstreamError(
                service: client.name, status: 200, message: "\(answer.result.count) answers came to \(searches.count) searches")
        }
        return answer.result.map(\.points)
    }

    /// The vectors of points, as the store holds them; of those that it holds.
    public func vectors(of ids: [PointID], in collection: String) async throws -> [PointID: [Float]] {
        struct Read: Codable {
            let ids: [PointID]
            let with_payload = false
            let with_vector = true

            enum CodingKeys: CodingKey { case ids, with_payload, with_vector }
        }
        struct Point: Codable, Sendable {
            let id: PointID
            let vector: JSONVector
        }
        let answer: QdrantAnswer<[Point]> = try await client.send(
            .POST, "/collections/\(Self.escaped(collection))/points", body: Read(ids: ids), headers: [VectorFormat.preference])
        return Dictionary(answer.result.map { ($0.id, $0.vector.values) }, uniquingKeysWith: { first, _ in first })
    }

    /// The snapshots of a collection.
    public func snapshots(of collection: String) async throws -> [Snapshot] {
        let answer: SnapshotAnswer<[Snapshot]> = try await client.send(.GET, Self.snapshotPath(of: collection))
        return answer.result
    }

    /// Makes a snapshot. It is asked for once only: a second attempt would leave two.
    public func createSnapshot(of collection: String) async throws -> Snapshot {
        let answer: SnapshotAnswer<Snapshot> = try await client.with(timeout: .seconds(300), retry: .never)
            .send(.POST, Self.snapshotPath(of: collection) + "?wait=true")
        return answer.result
    }

    /// A snapshot's bytes, as they come: a snapshot may be larger than memory.
    public func downloadSnapshot(_ name: String, of collection: String) async throws -> HTTPClientResponse.Body {
        try await client.stream(.GET, Self.snapshotPath(of: collection, name)).body
    }

    public func deleteSnapshot(_ name: String, of collection: String) async throws {
        let _: JSONValue = try await client.send(.DELETE, Self.snapshotPath(of: collection, name) + "?wait=true")
    }

    /// Makes a collection, or replaces it, from a snapshot that the store holds of another.
    public func recover(_ copy: String, fromSnapshot name: String, of collection: String, checksum: String) async throws {
        var body: [String: JSONValue] = [
            "location": .string(client.baseURL + Self.snapshotPath(of: collection, name)), "checksum": .string(checksum),
        ]
        if let key { body["api_key"] = .string(key) }
        let _: JSONValue = try await client.with(timeout: .seconds(300))
            .send(.PUT, Self.snapshotPath(of: copy, "recover") + "?wait=true", body: JSONValue.object(body))
    }

    private struct SnapshotAnswer<Result: Decodable & Sendable>: Decodable, Sendable { let result: Result }

    private static func snapshotPath(of collection: String, _ name: String? = nil) -> String {
        "/collections/\(escaped(collection))/snapshots" + (name.map { "/" + escaped($0) } ?? "")
    }

    private static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-_."))) ?? name
    }
}
