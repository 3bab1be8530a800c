import Foundation
import Hummingbird
import ServiceKit
import SuiteAPI

/// Collections, over HTTP.
struct CollectionRoutes {
    let service: VectorsService

    var all: [Route] {
        [
            Route(.get, "/", "What this is.", access: .open) { _, _ in
                // Clients compare this with their own version: it is the release of the surface that is served.
                .json(["title": "qdrant - vector search engine", "version": "1.20.0", "served_by": "maru"] as JSONValue)
            },
            Route(.get, "/healthz", "Alive.", access: .open) { _, _ in
                Response(status: .ok, body: .init(byteBuffer: .init(string: "healthz check passed")))
            },
            Route(.get, "/readyz", "Ready.", access: .open) { _, _ in
                _ = try await service.ready()
                return Response(status: .ok, body: .init(byteBuffer: .init(string: "all shards are ready")))
            },
            Route(.get, "/collections", "Names of all collections.") { _, context in
                try await QdrantReply.of {
                    let names = try await service.ready().names.filter { service.isOpen($0, to: context.caller) }
                    return ["collections": .array(names.map { ["name": .string($0)] })] as JSONValue
                }
            },
            Route(.get, "/collections/{collection}", "One collection: its configuration and size.") { _, context in
                try await QdrantReply.of { Self.describe(try await service.ready().collection(try service.collectionName(context))) }
            },
            Route(.get, "/collections/{collection}/exists", "Whether there is such a collection.") { _, context in
                try await QdrantReply.of {
                    let store = try await service.ready()
                    return ["exists": .bool(await store.has(try service.collectionName(context)))] as JSONValue
                }
            },
            Route(.put, "/collections/{collection}", "Makes a collection.", access: .role(.developer)) { request, context in
                let body = try await request.decode(CreationBody.self, context)
                return try await QdrantReply.of {
                    try await service.ready().create(try service.collectionName(context), try CollectionConfig(body.vectors))
                    return true
                }
            },
            Route(.patch, "/collections/{collection}", "Accepted: there are no parameters to tune.", access: .role(.developer)) {
                _, context in
                try await QdrantReply.of {
                    _ = try await service.ready().collection(try service.collectionName(context))
                    return true
                }
            },
            Route(.delete, "/collections/{collection}", "Removes a collection and all in it.", access: .role(.developer)) { _, context in
                try await QdrantReply.of { try await service.ready().delete(try service.collectionName(context)) }
            },
            Route(
                .put, "/collections/{collection}/index", "Indexes a payload field; one of text is then matched by words.",
                access: .role(.developer)
            ) { request, context in
                let body = try await request.decode(IndexBody.self, context)
                return try await QdrantReply.updated {
                    let collection = try await service.ready().collection(try service.collectionName(context))
                    try await collection.setPayloadIndex(body.field_name, body.field_schema ?? "keyword")
                }
            },
            Route(.delete, "/collections/{collection}/index/{field}", "Drops the index of a payload field.", access: .role(.developer)) {
                _, context in
                try await QdrantReply.updated {
                    let collection = try await service.ready().collection(try service.collectionName(context))
                    let field = try context.parameters.require("field")
                    try await collection.setPayloadIndex(field.removingPercentEncoding ?? field, nil)
                }
            },
            Route(.get, "/aliases", "There are no aliases.") { _, _ in try await QdrantReply.of { ["aliases": []] as JSONValue } },
            Route(.get, "/collections/{collection}/aliases", "There are no aliases.") { _, context in
                try await QdrantReply.of {
                    _ = try await service.ready().collection(try service.collectionName(context))
                    return ["aliases": []] as JSONValue
                }
            },
        ]
    }

    /// What a collection is made with, besides what only says how it is kept.
    private struct CreationBody: Decodable, Sendable {
        let vectors: JSONValue?

        private enum CodingKeys: CodingKey { case vectors }
        private static let known: Set<String> = [
            "vectors", "hnsw_config", "optimizers_config", "wal_config", "quantization_config", "on_disk_payload", "shard_number",
            "replication_factor", "write_consistency_factor",
        ]

        init(from decoder: any Decoder) throws {
            try decoder.refuseMembers(besides: Self.known, of: "a collection")
            vectors = try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(JSONValue.self, forKey: .vectors)
        }
    }

    private struct IndexBody: Decodable, Sendable {
        let field_name: String
        /// A type's name, or an object with `type` and parameters.
        let field_schema: JSONValue?
    }

    /// The fields that were indexed, as Qdrant describes them.
    private static func schema(_ indexes: [String: JSONValue], count: JSONValue) -> JSONValue {
        .object(
            indexes.mapValues { schema in
                guard let type = schema["type"] else { return ["data_type": schema, "points": count] }
                return ["data_type": type, "params": schema, "points": count]
            })
    }

    /// A collection as Qdrant describes it; what has no counterpart here stands at Qdrant's own default.
    private static func describe(_ collection: Collection) -> JSONValue {
        let count = JSONValue.integer(Int64(collection.count))
        return [
            "status": "green", "optimizer_status": "ok", "points_count": count, "indexed_vectors_count": collection.isIndexed ? count : 0,
            "segments_count": 1, "payload_schema": schema(collection.payloadIndexes, count: count),
            "config": [
                "params": [
                    "vectors": ["size": .integer(Int64(collection.config.size)), "distance": .string(collection.config.distance.rawValue)],
                    "shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": true,
                ],
                "hnsw_config": ["m": 16, "ef_construct": 200, "full_scan_threshold": 2000],
                "optimizer_config": [
                    "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 1, "flush_interval_sec": 0,
                ],
                "wal_config": ["wal_capacity_mb": 4, "wal_segments_ahead": 0],
            ],
        ]
    }
}
