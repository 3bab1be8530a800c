import HTTPTypes
import ServiceKit

/// How vectors are compared.
enum Distance: String, Codable, Sendable, CaseIterable {
    case cosine = "Cosine"
    case dot = "Dot"
    case euclid = "Euclid"

    /// Whether larger scores are nearer.
    var largerIsNearer: Bool { self != .euclid }
}

/// What a collection was made with.
struct CollectionConfig: Codable, Sendable, Equatable {
    let size: Int
    let distance: Distance

    /// Members that say what vectors are, and those that only say how to keep them.
    private static let known: Set<String> = ["size", "distance", "hnsw_config", "quantization_config", "on_disk"]

    /// Reads the `vectors` of a request to make a collection.
    ///
    /// - Throws: 400 for sizes and distances there are none of, 501 for named vectors and other kinds of them.
    init(_ vectors: JSONValue?) throws {
        guard let vectors, case .object(let members) = vectors else {
            throw ServiceError.badRequest("“vectors” must be {\"size\": …, \"distance\": …}.", parameter: "vectors")
        }
        guard let size = members["size"]?.intValue else {
            throw ServiceError(
                .notImplemented, code: "not_supported", "Named vectors are not supported by this store; give one size and distance.")
        }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) where !Self.known.contains(name) && value != .null {
            if name == "datatype", value == "float32" { continue }
            throw ServiceError(
                .notImplemented, code: "not_supported", "This store does not support “\(name.prefix(60))” of vectors.",
                parameter: "vectors.\(name)")
        }
        guard (1...65_536).contains(size) else {
            throw ServiceError.badRequest("A vector's size must be from 1 to 65536; \(size) came.", parameter: "vectors.size")
        }
        guard let distance = members["distance"]?.stringValue.flatMap(Distance.init) else {
            throw ServiceError.badRequest(
                "The distance must be one of \(Distance.allCases.map(\.rawValue).joined(separator: ", ")).", parameter: "vectors.distance")
        }
        self.size = size
        self.distance = distance
    }
}
