import Foundation
import Metrics

/// Counts approvals where they change, whoever changes them and whether anybody polls.
public struct ApprovalMetrics: Sendable {
    /// Upper bounds for what people take to answer: seconds to an hour.
    public static let bounds: [String: [Double]] = ["approval_response_time_seconds": [1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600]]

    func count(_ request: ApprovalRequest, from: ApprovalStatus?) {
        // What becomes of a grant is another count: it would make the share of approved requests look smaller than it is.
        guard from != .approved else {
            return Counter(label: "approval_grants_total", dimensions: [("outcome", request.status.rawValue)]).increment()
        }
        Counter(
            label: "approval_requests_total", dimensions: [("status", request.status.rawValue), ("tool_name", request.tool)]
        ).increment()
        guard from == .pending else { return }
        switch request.status {
        case .expired, .timeout: Counter(label: "approval_timeout_total", dimensions: []).increment()
        case .approved, .rejected:
            guard let responded = request.respondedAt else { return }
            let seconds = responded.timeIntervalSince(request.requestedAt)
            Timer(label: "approval_response_time_seconds", dimensions: []).recordSeconds(max(0, seconds))
        case .pending, .cancelled, .used: break
        }
    }

    func pending(_ count: Int) { Gauge(label: "approval_requests_pending", dimensions: []).record(count) }
}
