import Foundation
import GRDB
import ServiceKit

/// Which requests a list holds.
public struct ApprovalFilter: Sendable, Equatable {
    public var status: ApprovalStatus?
    public var userID: String?
    public var tool: String?
    public var limit: Int
    public var offset: Int
    /// Whether the oldest come first, as they are decided; the newest otherwise.
    public var oldestFirst: Bool

    public init(
        status: ApprovalStatus? = nil, userID: String? = nil, tool: String? = nil, limit: Int = 50, offset: Int = 0,
        oldestFirst: Bool = false
    ) {
        self.status = status
        self.userID = userID
        self.tool = tool
        self.limit = limit
        self.offset = offset
        self.oldestFirst = oldestFirst
    }
}

/// Requests of a span of time in figures.
public struct ApprovalStatistics: Sendable, Codable, Equatable {
    public let total_requests: Int
    public let pending_count: Int
    /// Those that were approved, used or not.
    public let approved_count: Int
    public let rejected_count: Int
    public let expired_count: Int
    /// Approved of those decided; 0 where none was.
    public let approval_rate: Double
    public let avg_response_time_seconds: Double
}

extension Approvals {
    /// The request with an id, or with the only id that begins so. One that is overdue is expired from here on.
    ///
    /// - Parameter userID: looks among the requests of this user alone.
    /// - Throws: 404 when there is none, 409 `ambiguous_id`, 422 when it is not the beginning of an id.
    public func find(_ id: String, onlyOf userID: String? = nil) async throws -> ApprovalRequest {
        let range = try IDRange(id)
        let rows = try await database.read { try range.rows($0, onlyOf: userID) }
        if rows.count == 1, !ApprovalLifecycle(rows[0], lifetime: lifetime).isOverdue(at: now()) { return rows[0] }
        return try await apply(range, .tick, onlyOf: userID).value(id)
    }

    /// Requests, and how many there are past the limit. Long arguments and previews are left out; ``find(_:)`` has them.
    public func list(_ filter: ApprovalFilter) async throws -> (requests: [ApprovalRequest], total: Int) {
        let moment = now()
        if try await database.read({ try Self.hasOverdue($0, at: moment) }) { try await sweep() }
        let condition =
            "(:status IS NULL OR status = :status) AND (:user IS NULL OR user_id = :user) AND (:tool IS NULL OR tool_name = :tool)"
        let arguments: StatementArguments = ["status": filter.status?.rawValue, "user": filter.userID, "tool": filter.tool]
        return try await database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT \(ApprovalRequest.shortColumns) FROM approval_requests WHERE \(condition)
                    ORDER BY requested_at \(filter.oldestFirst ? "ASC" : "DESC"), request_id LIMIT :limit OFFSET :offset
                    """, arguments: arguments &+ ["limit": filter.limit, "offset": filter.offset])
            let total = try Int.fetchOne(db, sql: "SELECT count(*) FROM approval_requests WHERE \(condition)", arguments: arguments)
            return (try rows.map(ApprovalRequest.init(row:)), total ?? 0)
        }
    }

    /// Requests of the last seconds in figures; of all time without.
    public func statistics(last seconds: TimeInterval? = nil) async throws -> ApprovalStatistics {
        let since = seconds.map { now() - $0 } ?? .distantPast
        return try await database.read { db in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*) AS total, coalesce(sum(status = 'pending'), 0) AS pending,
                        coalesce(sum(status IN ('approved', 'used') OR (status = 'expired' AND responder_id <> 'system')), 0) AS approved,
                        coalesce(sum(status = 'rejected'), 0) AS rejected,
                        coalesce(sum(status = 'timeout' OR (status = 'expired' AND responder_id = 'system')), 0) AS expired,
                        coalesce(avg(CASE WHEN status IN ('approved', 'used', 'rejected')
                            THEN (julianday(responded_at) - julianday(requested_at)) * 86400 END), 0) AS seconds
                    FROM approval_requests WHERE requested_at >= ?
                    """, arguments: [since])
            let approved: Int = row?["approved"] ?? 0
            let rejected: Int = row?["rejected"] ?? 0
            let rate = approved + rejected == 0 ? 0 : Double(approved) / Double(approved + rejected)
            return ApprovalStatistics(
                total_requests: row?["total"] ?? 0, pending_count: row?["pending"] ?? 0, approved_count: approved, rejected_count: rejected,
                expired_count: row?["expired"] ?? 0, approval_rate: (rate * 10_000).rounded() / 10_000,
                avg_response_time_seconds: ((row?["seconds"] ?? 0.0) * 100).rounded() / 100)
        }
    }

    /// Waits until a request is no longer pending: decided, taken back, or expired. A decision in this process is seen at once, one in
    /// another within a second.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; 404 when there is no such request.
    public func waitForDecision(_ id: UUID) async throws -> ApprovalRequest {
        while true {
            // Before the look, so that a change right after it is not missed.
            let change = signals.change(of: id)
            let request = try await find(id.uuidString)
            guard request.status == .pending else { return request }
            let patience = min(1, max(0.01, request.expiresAt.timeIntervalSince(now())))
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in change { return } }
                group.addTask { try? await Task.sleep(for: .seconds(patience)) }
                await group.next()
                group.cancelAll()
            }
            try Task.checkCancellation()
        }
    }

    private static func hasOverdue(_ db: Database, at moment: Date) throws -> Bool {
        try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM approval_requests WHERE status IN ('pending', 'approved') AND expires_at <= ?)",
            arguments: [moment]) ?? false
    }
}
