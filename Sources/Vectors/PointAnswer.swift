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
