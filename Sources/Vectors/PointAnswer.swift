import Foundation
import HTTPTypes
import Hummingbird
import ServiceKit
import SuiteAPI

/// A point as answers show it.
struct PointAnswer: Codable, Sendable {
    let id: PointID
    /// Of a search alone, as are scores: points have no versions here.
    var version: Int?
    var score: Float?
    /// `null` where none is asked for.
    let payload: JSONValue
    let vector: JSONVector?

    init(
        _ point: (id: PointID, payload: [String: JSONValue], vector: [Float]?), _ selection: PayloadSelection,
        _ format: VectorFormat = .numbers
    ) {
        (id, payload, vector) = (point.id, selection.apply(point.payload), point.vector.map(format.of))
    }

    /// What a search found.
    struct Found: Codable, Sendable { let points: [PointAnswer] }

    /// Points in the order of their ids, and with which the next page begins.
    struct Page: Codable, Sendable {
        let points: [PointAnswer]
        /// `null` after the last one.
        let next_page_offset: JSONValue
    }
}

/// How vectors of points that are asked for by id stand in the answer: as numbers, or as base64 where the caller has said
/// `Prefer: vectors=base64` (https://www.rfc-editor.org/rfc/rfc7240), which Qdrant leaves unheard.
enum VectorFormat {
    case numbers, base64

    init(_ request: Request) {
        let preferences = HTTPField.Name("Prefer").flatMap { request.headers[$0] } ?? ""
        let isPreferred = preferences.split(separator: ",").contains {
            $0.trimmingCharacters(in: .whitespaces) == VectorStoreClient.preference
        }
        self = isPreferred ? .base64 : .numbers
    }

    func of(_ vector: [Float]) -> JSONVector { self == .base64 ? .base64(vector) : .numbers(vector) }
}
