import HTTPTypes
import ServiceKit
import SuiteAPI

extension MCPServer {
    /// The tools that the caller may call, always in the same order: a prompt cache of the client's holds as long as nothing changes.
    func listTools(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        try list("tools", await tools.tools(for: exchange.caller).map(\.listing), request, exchange)
    }

    /// A call of a tool. That it fails is a result, for a model to read and do better; that it cannot be understood is an error.
    func callTool(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        let name = try request.string("name")
        guard let tool = ToolCatalogue[name] else { throw MCPError.invalidParams("Unknown tool: \(name.prefix(100))") }
        let arguments = request.params["arguments"] ?? [:]
        guard arguments.objectValue != nil else { throw MCPError.invalidParams("“arguments” must be an object.") }
        do {
            _ = try ToolArguments(arguments, for: tool)
        } catch let error as ServiceError where exchange.revision == .june2025 {
            // Later revisions tell of it in a result (SEP-1303).
            throw MCPError(error)
        } catch is ServiceError {
            // The way of the call finds it too, after the permission, and keeps a record of it.
        }
        do {
            let progress = MCPProgress(request, exchange)
            var approval = request.meta["maru/approval"]?.stringValue
            if exchange.revision.isModern, let state = request.params["requestState"] {
                switch try await nextRound(state, of: name, arguments, request, exchange) {
                case .answer(let result): return result
                case .call(let granted): approval = granted
                }
            }
            let call = MCPCall(
                tool: name, arguments: arguments, caller: exchange.caller, approval: approval, address: exchange.address,
                sessionID: exchange.sessionID, requestID: exchange.requestID, progress: { await progress.tell($0, $1) })
            switch try await tools.call(call) {
            case .done(let result): return Self.json(result)
            case .approvalNeeded(let needed):
                await exchange.log(.notice, ["event": "approval_required", "tool": .string(name), "request_id": .string(needed.id)])
                return try await firstRound(needed, call, exchange)
            }
        } catch let error as ServiceError {
            await exchange.log(.warning, ["event": "tool_failed", "tool": .string(name), "code": .string(error.code)])
            return Self.json(error)
        }
    }

    /// A tool's result as the protocol tells it.
    static func json(_ result: ToolResult) -> [String: JSONValue] {
        var content: [JSONValue] = [["type": "text", "text": .string(result.text)]]
        content += result.images.map { ["type": "image", "data": .string($0.base64), "mimeType": .string($0.mimeType)] }
        // Only objects may be structured content in every revision.
        let structured = result.structured.objectValue == nil ? ["result": result.structured] : result.structured
        return ["content": .array(content), "structuredContent": structured, "isError": false]
    }

    /// A failure as a result.
    static func json(_ error: ServiceError) -> [String: JSONValue] {
        var meta: [String: JSONValue] = ["status": .integer(Int64(error.status.code)), "code": .string(error.code)]
        if let wait = error.retryAfter { meta["retryAfter"] = .integer(max(1, wait.components.seconds)) }
        if let parameter = error.parameter { meta["parameter"] = .string(parameter) }
        return ["content": [["type": "text", "text": .string(error.message)]], "isError": true, "_meta": .object(meta)]
    }
}

/// Tells a client that gave a token how far the work is. What is told always grows, whatever the tool says (MCP, “Progress”).
actor MCPProgress {
    private let token: JSONValue?
    private let exchange: MCPExchange
    private var last = 0.0

    init(_ request: MCPRequest, _ exchange: MCPExchange) {
        token = request.meta["progressToken"].flatMap { $0.stringValue != nil || $0.intValue != nil ? $0 : nil }
        self.exchange = exchange
    }

    func tell(_ share: Double, _ message: String) async {
        guard let token, share.isFinite, share > last, share <= 1 else { return }
        last = share
        await exchange.notify(
            MCPReply.notification(
                "notifications/progress",
                ["progressToken": token, "progress": .number(share), "total": 1, "message": .string(message)]))
    }
}
