import Foundation
import Metrics
import ServiceKit
import Suite
import SuiteAPI

/// The MCP server without a transport: a request in, its result out, notifications on the way.
public struct MCPServer: Sendable {
    let tools: any MCPToolset
    /// Those of legacy clients over HTTP.
    public let sessions: MCPSessions
    let running = RunningRequests()
    let tasks: MCPTasks
    let states: RequestStates
    /// How long a round of a call waits for a decision before it tells the client to ask again.
    let wait: Duration
    /// How long clients may take a list for fresh, in milliseconds. A role that changes shows after that.
    static let listLifetime: Int64 = 60_000

    public init(
        tools: any MCPToolset, settings: Settings, wait: Duration = .seconds(25), clock: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.tools = tools
        self.wait = wait
        sessions = MCPSessions(
            limit: settings[SettingKeys.mcpMaxSessions], timeout: settings[SettingKeys.mcpSessionTimeout], clock: clock)
        tasks = MCPTasks(clock: clock)
        states = RequestStates(clock: clock)
    }

    /// Answers a request.
    ///
    /// - Throws: ``MCPError``; ``RequestCancelled`` or `CancellationError` when nobody waits for an answer.
    public func answer(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> JSONValue {
        let start = ContinuousClock.now
        let name = Self.methods.contains(request.method) ? request.method : "other"
        let timer = Timer(label: "mcp_server_operation_duration_seconds", dimensions: [("method", name)])
        defer { timer.recordNanoseconds(start.duration(to: .now).nanoseconds) }
        do {
            var result = try await result(of: request, exchange)
            if exchange.revision.isModern {
                if result["resultType"] == nil { result["resultType"] = "complete" }
                var meta = result["_meta"]?.objectValue ?? [:]
                meta[MCPEnvelope.serverInfo] = Self.info
                result["_meta"] = .object(meta)
            }
            return .object(result)
        } catch let error as ServiceError {
            throw MCPError(error)
        }
    }

    /// What a handshake comes to.
    ///
    /// - Throws: -32602 when the client does not say its version.
    func initialize(_ request: MCPRequest) throws -> (result: JSONValue, revision: MCPRevision, capabilities: JSONValue) {
        let revision = MCPRevision.negotiated(try request.string("protocolVersion"))
        guard let capabilities = request.params["capabilities"], capabilities.objectValue != nil else {
            throw MCPError.invalidParams("initialize needs the parameter “capabilities”, an object.")
        }
        let result: JSONValue = [
            "protocolVersion": .string(revision.rawValue), "capabilities": Self.capabilities(revision), "serverInfo": Self.info,
            "instructions": .string(Self.instructions),
        ]
        return (result, revision, capabilities)
    }

    static let methods: Set<String> = [
        "initialize", "ping", "logging/setLevel", "server/discover", "subscriptions/listen", "tools/list", "tools/call", "resources/list",
        "resources/templates/list", "resources/read", "prompts/list", "prompts/get", "completion/complete", "tasks/get", "tasks/update",
        "tasks/cancel",
    ]

    static let info: JSONValue = ["name": "maru", "title": "Maru", "version": .string(BuildInfo.version)]

    static let instructions = """
        Tools of a private AI stack: files and git of one workspace, a sandbox without network, the documents that were read in, models, the web. \
        Some calls have to be approved by another person first; such a call runs once it is approved.
        """

    static func capabilities(_ revision: MCPRevision) -> JSONValue {
        var capabilities: [String: JSONValue] = ["tools": [:], "resources": [:], "prompts": [:], "completions": [:], "logging": [:]]
        if revision.isModern { capabilities["extensions"] = [MCPTasks.extensionName: [:]] }
        return .object(capabilities)
    }

    private func result(of request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        switch (request.method, exchange.revision.isModern) {
        case ("tools/list", _): return try await listTools(request, exchange)
        case ("tools/call", _): return try await callTool(request, exchange)
        case ("resources/list", _): return try await listResources(request, exchange)
        case ("resources/templates/list", _): return try await listTemplates(request, exchange)
        case ("resources/read", _): return try await readResource(request, exchange)
        case ("prompts/list", _): return try await listPrompts(request, exchange)
        case ("prompts/get", _): return try await getPrompt(request, exchange)
        case ("completion/complete", _): return try await complete(request, exchange)
        case ("ping", false): return [:]
        case ("logging/setLevel", false): return try await setLogLevel(request, exchange)
        case ("server/discover", true): return discover()
        case ("subscriptions/listen", true): return try await listen(request, exchange)
        case ("tasks/get", true), ("tasks/update", true), ("tasks/cancel", true): return try await task(request, exchange)
        default: throw MCPError.methodNotFound(request.method)
        }
    }

    private func discover() -> [String: JSONValue] {
        [
            "supportedVersions": .array(MCPRevision.newestFirst.map { .string($0.rawValue) }),
            "capabilities": Self.capabilities(.july2026), "instructions": .string(Self.instructions), "ttlMs": 3_600_000,
            "cacheScope": "public",
        ]
    }

    private func setLogLevel(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        guard let level = MCPLogLevel(rawValue: try request.string("level")) else {
            throw MCPError.invalidParams("level must be one of: \(MCPLogLevel.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if let session = exchange.sessionID { await sessions.setLogLevel(level, of: session) }
        return [:]
    }

    /// A list, in the shape of the exchange's revision. What may be seen depends on the caller, so nobody else may be given a copy.
    func list(_ name: String, _ items: [JSONValue], _ request: MCPRequest, _ exchange: MCPExchange) throws -> [String: JSONValue] {
        var page = try MCPPage.page(name, items, request)
        if exchange.revision.isModern {
            page["ttlMs"] = .integer(Self.listLifetime)
            page["cacheScope"] = "private"
        }
        return page
    }
}
