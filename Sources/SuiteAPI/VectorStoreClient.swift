import Foundation
import NIOHTTP1
import ServiceKit

/// Speaks to a Qdrant: this suite's own or one elsewhere (`QDRANT_URL`).
public struct VectorStoreClient: Sendable {
    private let client: ServiceClient

    public init(_ client: ServiceClient) { self.client = client }

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

    /// The nearest points, best first.
    public func search(_ vector: [Float], in collection: String, limit: Int) async throws -> [ScoredPoint] {
        struct Query: Codable {
            let query: [Float]
            let limit: Int
            let with_payload: Bool
        }
        struct Points: Codable, Sendable { let points: [ScoredPoint] }
        let answer: QdrantAnswer<Points> = try await client.send(
            .POST, "/collections/\(Self.escaped(collection))/points/query", body: Query(query: vector, limit: limit, with_payload: true))
        return answer.result.points
    }

    /// Makes a snapshot and gives its name.
    public func snapshot(_ collection: String) async throws -> String {
        let answer: JSONValue = try await client.send(.POST, "/collections/\(Self.escaped(collection))/snapshots?wait=true")
        guard let name = answer["result"]?["name"]?.stringValue else {
            throw UpstreamError(service: client.name, status: 200, message: "no name came for the snapshot of \(collection)")
        }
        return name
    }

    private static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-_."))) ?? name
    }
}
