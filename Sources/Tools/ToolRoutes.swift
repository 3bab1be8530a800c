import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Security
import ServiceKit
import SuiteAPI

/// The tools over plain HTTP, as the reference system had them, with honest status codes.
struct ToolRoutes: Sendable {
    let calls: ToolCalls
    let limiter: RateLimiter
    let logger: Logger

    var all: [Route] {
        [
            Route(.get, "/tools", "The tools that the caller may call, with the schemas of their arguments.") { _, context in
                .json(["tools": .array(try await calls.visible(to: context.caller).map(\.listing))] as JSONValue)
            },
            Route(.post, "/tools/{tool_name}/call", "Calls a tool. The body is its arguments, or {\"arguments\": …}.") { request, context in
                try await call(request, context)
            },
            Route(.post, "/tools/{tool_name}", "The same as /tools/{tool_name}/call.") { request, context in
                try await call(request, context)
            },
            Route(.get, "/tool-info/{tool_name}", "How sensitive a tool is, whether calls have to be approved, how many run at once.") {
                _, context in
                let tool = try Self.tool(context)
                return .json(
                    [
                        "tool_name": .string(tool.name), "sensitivity": .string(tool.sensitivity.rawValue),
                        "require_approval": .bool(tool.needsApproval), "max_concurrent": .integer(Int64(tool.limit.concurrent)),
                        "least_role": .string(tool.leastRole.rawValue), "description": .string(tool.summary),
                    ] as JSONValue)
            },
            Route(.get, "/rate-limits/{tool_name}", "How many calls of a tool the caller has left; an administrator may ask for others.") {
                request, context in
                let tool = try Self.tool(context)
                let asked = request.uri.queryParameters["user_id"].map(String.init) ?? context.caller.id
                guard asked == context.caller.id || context.caller.role == .admin else {
                    throw ServiceError(.forbidden, code: "permission_denied", "Only an administrator may ask for another user's limits.")
                }
                let usage = limiter.usage(tool, caller: asked)
                return .json(
                    [
                        "tool_name": .string(tool.name), "user_id": .string(asked), "current_count": .integer(Int64(usage.used)),
                        "max_requests": .integer(Int64(tool.limit.calls)), "burst_size": .integer(Int64(tool.limit.burst)),
                        "time_window": .integer(Int64(tool.limit.seconds)), "concurrent_executions": .integer(Int64(usage.concurrent)),
                        "remaining": .integer(Int64(usage.remaining)),
                    ] as JSONValue)
            },
        ]
    }

    private static func tool(_ context: CallContext) throws -> ToolDescriptor {
        let name = try context.parameters.require("tool_name")
        guard let tool = ToolCatalogue[name] else {
            throw ServiceError.notFound("There is no tool “\(name.prefix(100))”.", code: "unknown_tool")
        }
        return tool
    }

    private func call(_ request: Request, _ context: CallContext) async throws -> Response {
        let name = try context.parameters.require("tool_name")
        var request = request
        let body = try ToolCallBody(try await request.collected(context), headers: request.headers)
        let origin = CallOrigin(address: context.remoteAddress?.ipAddress)
        let prepared: @Sendable (@escaping @Sendable (Double, String) async -> Void) -> ToolCall = { [caller = context.caller] progress in
            ToolCall(
                tool: name, arguments: body.arguments, caller: caller, approvalID: body.approvalID, origin: origin, progress: progress)
        }
        if request.headers[.accept]?.contains("text/event-stream") == true { return streamed(prepared, for: request) }
        // Work that runs long or elsewhere stops when nobody waits for it any more; for the rest, the connection is worth more.
        guard ToolCatalogue[name]?.resource == .tool else { return try await answer(prepared { _, _ in }) }
        var response = try await request.whileClientStays { try await answer(prepared { _, _ in }) }
        response.headers[.connection] = "close"
        return response
    }

    private func answer(_ call: ToolCall) async throws -> Response {
        let (status, body, headers) = try await told(call)
        return .json(body, status: status, headers: headers)
    }

    /// Events are objects with one member: `progress`, then `answer` with the status and the body that the plain route would give.
    private func streamed(
        _ prepared: @escaping @Sendable (@escaping @Sendable (Double, String) async -> Void) -> ToolCall, for request: Request
    ) -> Response {
        let content = request.stream { writer in
            let call = prepared { share, message in
                try? await writer.write(Self.event(["progress": ["share": .number(share), "message": .string(message)]]))
            }
            let (status, body, _): (HTTPResponse.Status, JSONValue, HTTPFields)
            do {
                (status, body, _) = try await told(call)
            } catch let error where !(error is CancellationError) {
                // The head is long gone: the error takes the place of the answer.
                let message = "Something went wrong here; the log has the details under this request id."
                let unknown = ServiceError(.internalServerError, code: "internal_error", message)
                logger.error("a tool failed", metadata: ["tool": "\(call.tool)", "cause": "\(error)"])
                (status, body, _) = failure(unknown, call)
            }
            try await writer.write(Self.event(["answer": ["status": .integer(Int64(status.code)), "body": body]]))
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-cache", .xAccelBuffering: "no", .connection: "close",
            ], body: content)
    }

    private static func event(_ value: JSONValue) -> String {
        SSE.event(String(decoding: (try? value.json()) ?? Data("{}".utf8), as: UTF8.self))
    }

    /// What the caller is told: the result, that the call has to be approved, or why it failed.
    private func told(_ call: ToolCall) async throws -> (HTTPResponse.Status, JSONValue, HTTPFields) {
        do {
            switch try await calls.call(call) {
            case .done(let result): return (.ok, ["success": true, "result": result.structured], [:])
            case .approvalNeeded(let request): return (.forbidden, request.refusal(of: call.caller), [:])
            }
        } catch let error as ServiceError {
            return failure(error, call)
        }
    }

    private func failure(_ error: ServiceError, _ call: ToolCall) -> (HTTPResponse.Status, JSONValue, HTTPFields) {
        var body: [String: JSONValue] = [
            "success": false, "error": .string(error.title), "error_type": .string(error.code), "code": .string(error.code),
            "detail": .string(error.message), "tool_name": .string(call.tool), "user_id": .string(call.caller.id),
        ]
        if let parameter = error.parameter { body["parameter"] = .string(parameter) }
        var headers = error.headers
        if let wait = error.retryAfter { headers[.retryAfter] = String(max(1, wait.components.seconds)) }
        return (error.status, .object(body), headers)
    }
}

extension HTTPField.Name {
    static var xApprovalID: Self { .init("X-Approval-ID") ?? .cacheControl }
}

extension ServiceError {
    /// The error in three words, as clients of the reference system look for it.
    fileprivate var title: String {
        switch code {
        case "permission_denied": "Permission denied"
        case "unknown_tool": "Unknown tool"
        default: status.reasonPhrase.isEmpty ? code : status.reasonPhrase
        }
    }
}

extension ApprovalRequest {
    /// What a caller is told whose call has to be approved (spec of the reference system, with the answer given at once).
    func refusal(of caller: Caller) -> JSONValue {
        [
            "success": false, "error": "Approval required", "error_type": "approval_required", "code": "approval_required",
            "detail":
                .string(
                    "An approver has to decide on request \(idText). Ask again with the header X-Approval-ID once it is approved; the call must be the very same, and runs once."
                ),
            "approval_required": true, "request_id": .string(idText), "status": .string(status.rawValue), "tool_name": .string(tool),
            "user_id": .string(caller.id), "expires_at": .string(expiresAt.formatted(.iso8601)),
        ]
    }
}

extension ToolDescriptor {
    /// The tool as `/tools` and MCP's `tools/list` show it.
    var listing: JSONValue {
        [
            "name": .string(name), "title": .string(title), "description": .string(summary), "inputSchema": inputSchema,
            "outputSchema": outputSchema,
            "annotations": [
                "title": .string(title), "readOnlyHint": .bool(action == .read), "destructiveHint": .bool(needsApproval),
                "idempotentHint": .bool(isIdempotent), "openWorldHint": .bool(isOpenWorld),
            ],
        ]
    }
}
