import Foundation
import Security
import ServiceKit
import Suite
import SuiteAPI

extension MCPServer {
    /// The server of a stack's own tools.
    public init(calls: ToolCalls, clients: SuiteClients, settings: Settings) {
        self.init(tools: CallsOfMCP(calls: calls, clients: clients), settings: settings)
    }
}

/// Calls that came by the protocol go the way of all others.
private struct CallsOfMCP: MCPToolset {
    let calls: ToolCalls
    let clients: SuiteClients

    func tools(for caller: Caller) async throws -> [ToolDescriptor] { try await calls.visible(to: caller) }

    func call(_ call: MCPCall) async throws -> MCPAnswer {
        let origin = CallOrigin(address: call.address, sessionID: call.sessionID, requestID: call.requestID)
        let answer = try await calls.call(
            ToolCall(
                tool: call.tool, arguments: call.arguments, caller: call.caller, approvalID: call.approval, origin: origin,
                progress: call.progress))
        switch answer {
        case .done(let result): return .done(result)
        case .approvalNeeded(let request): return .approvalNeeded(MCPApproval(request))
        }
    }

    func decision(on approval: String, within limit: Duration) async throws -> MCPApproval {
        let request = try await calls.approvals.find(approval)
        do {
            return MCPApproval(try await withDeadline(limit) { try await calls.approvals.waitForDecision(request.id) })
        } catch is DeadlineExceeded {
            return MCPApproval(try await calls.approvals.find(approval))
        }
    }

    func collections() async throws -> [String] {
        do {
            return try await RetrievalClient(clients.client(.rag, timeout: .seconds(5))).collections()
        } catch let error as UpstreamError {
            throw error.asServiceError
        }
    }

    func withdraw(_ approval: String, by caller: Caller) async throws { _ = try await calls.approvals.cancel(approval, by: caller) }
}

extension MCPApproval {
    fileprivate init(_ request: ApprovalRequest) {
        self.init(id: request.idText, status: request.status.rawValue, expiresAt: request.expiresAt, reason: request.reason)
    }
}
