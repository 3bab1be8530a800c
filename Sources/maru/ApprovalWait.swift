import Foundation
import ServiceKit
import SuiteAPI

/// Waits until a request is decided.
struct ApprovalWait {
    let clients: SuiteClients
    let id: String

    /// - Throws: ``CommandError`` when it is not approved.
    func untilApproved() async throws {
        while true {
            let request = try await reachable { try await clients.approvals.status(id) }
            switch request.status {
            case "approved": return
            case "pending": try await Task.sleep(for: .seconds(1))
            default:
                let reason = request.response_reason.map { ": \($0)" } ?? ""
                throw CommandError("Request \(id) is \(request.status)\(reason)")
            }
        }
    }
}
