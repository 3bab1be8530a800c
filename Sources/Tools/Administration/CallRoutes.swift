import Foundation
import HTTPTypes
import Hummingbird
import Security
import ServiceKit
import SuiteAPI

/// `/security/validate` and `/security/execute` of the reference system. The first says what would become of a call and makes none; the
/// second is the tool `execute_python`, called the way of all calls: there is no second way to run anything.
struct CallRoutes: Sendable {
    let calls: ToolCalls

    var all: [Route] {
        [
            Route(
                .post, "/security/validate", "Whether a user may call a tool with these arguments, and would need approval. Runs nothing.",
                access: .role(.admin), handler: validate),
            Route(
                .post, "/security/execute", "Calls execute_python, with permission, limits, approval and audit as for every call.",
                access: .role(.admin), handler: execute),
        ]
    }

    private struct Validation: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case tool, arguments, user_id, code }
        let tool: String?
        let arguments: JSONValue?
        let user_id: String?
        /// The reference's form: Python code.
        let code: String?
    }

    private struct Execution: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case code, timeout, session_id, client_info, approval_id }
        let code: String
        let timeout: Int?
        let session_id: String?
        let client_info: JSONValue?
        let approval_id: String?
    }

    private func validate(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(Validation.self, context)
        let (tool, arguments): (String, JSONValue)
        switch (body.tool, body.code) {
        case (let name?, nil): (tool, arguments) = (name, body.arguments ?? [:])
        case (nil, let code?): (tool, arguments) = ("execute_python", ["code": .string(code)])
        default: throw ServiceError.invalid("Give either “tool” with its “arguments”, or “code”.", parameter: "tool")
        }
        // What is asked about somebody else is asked of the database by the id alone.
        let user = body.user_id.map { Caller(id: $0, role: nil) } ?? context.caller
        let verdict = try await calls.verdict(on: tool, arguments, for: user)
        return .json(["success": true, "validation": verdict.json] as JSONValue)
    }

    private func execute(_ request: Request, _ context: CallContext) async throws -> Response {
        let body = try await request.strict(Execution.self, context)
        guard let session = RequestScope.acceptable(body.session_id ?? "default") else {
            throw ServiceError.invalid("“session_id” has 1 to 128 printable characters without spaces.", parameter: "session_id")
        }
        var arguments: [String: JSONValue] = ["code": .string(body.code)]
        if let timeout = body.timeout { arguments["timeout"] = .integer(Int64(timeout)) }
        let call = ToolCall(
            tool: "execute_python", arguments: .object(arguments), caller: context.caller,
            approvalID: request.headers[.xApprovalID] ?? body.approval_id,
            origin: CallOrigin(address: context.remoteAddress?.ipAddress, sessionID: session))
        switch try await calls.call(call) {
        case .approvalNeeded(let approval): return .json(approval.refusal(of: context.caller), status: .forbidden)
        case .done(let result):
            var members = result.structured.objectValue ?? ["result": result.structured]
            members["audit"] = [
                "executed_by": .string(context.caller.id), "execution_timestamp": .string(Date.now.formatted(.iso8601)),
                "session_id": .string(session),
            ]
            return .json(["success": true, "execution_result": .object(members)] as JSONValue)
        }
    }
}
