import Foundation
import Hummingbird
import NIOCore
import NIOFoundationCompat
import ServiceKit
import SuiteAPI

/// `GET /api/approvals/pending`.
struct PendingApprovals: Encodable, Sendable {
    let pending_approvals: [ApprovalRow]
    let count: Int
    let total: Int
    let filters: JSONValue
}

/// `POST /api/v1/approvals`.
struct ApprovalCreation: Decodable, Sendable {
    let tool_name: String?
    let user_id: String?
    let request_context: JSONValue?
}

extension ApprovalRoutes {
    /// The reason in a body: `{"reason": …}`, a bare JSON string, or no body at all.
    static func reason(_ bytes: ByteBuffer) throws -> String? {
        guard bytes.readableBytes > 0 else { return nil }
        let body = try Request.decode(JSONValue.self, from: bytes)
        switch body {
        case .string(let text): return try checked(text)
        case .object(let members):
            switch members["reason"] {
            case nil, .null: return nil
            case .string(let text): return try checked(text)
            default: throw ServiceError.invalid("The field “reason” has the wrong type; it is a text.", parameter: "reason")
            }
        default: throw ServiceError.invalid("The body is an object with “reason”, or a text.", parameter: "reason")
        }
    }

    static func checked(_ reason: String?) throws -> String? {
        guard let reason, reason.utf8.count > 4_096 else { return reason }
        throw ServiceError.invalid("A reason has 4096 bytes at the most.", parameter: "reason")
    }

    /// A span of time: a number with s, m, h or d.
    static func seconds(_ text: String) throws -> TimeInterval {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()), (1...100_000).contains(count) else {
            throw ServiceError.invalid("time_range is a number from 1 to 100000 with s, m, h or d, such as 24h.", parameter: "time_range")
        }
        return Double(count) * unit
    }
}

extension Request {
    /// A query parameter as text; an empty one counts as not given.
    func queryText(_ name: String) -> String? {
        guard let raw = uri.queryParameters[Substring(name)] else { return nil }
        return raw.isEmpty ? nil : String(raw)
    }
}

extension Optional where Wrapped == String {
    var json: JSONValue { map(JSONValue.string) ?? .null }
}
