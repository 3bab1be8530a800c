import Foundation
import Logging
import Sandbox
import Security
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// The tool server: tools over MCP and plain HTTP, behind permissions, limits, approvals and an audit log.
public struct ToolsService: SuiteService {
    public let id = ServiceID.mcpServer
    public let errorShape = ErrorShape.detail
    /// The protocol's side of it, which standard input and output serve too.
    public let mcp: MCPServer
    let guards: Guards
    let sandbox: Sandbox
    let calls: ToolCalls
    private let offered: Int
    private let logger: Logger

    /// - Throws: when the security database cannot be opened, the workspace's folder cannot be made, or a setting cannot be understood.
    public init(settings: Settings, clients: SuiteClients, guards: Guards, logger: Logger) async throws {
        let workspace = Workspace(settings: settings)
        try await offPool { try workspace.prepare() }
        sandbox = Sandbox(settings: settings, logger: logger)
        let pages = try await WebPages(settings: settings, logger: logger)
        let tools =
            FileTools.all(workspace) + GitTools.all(workspace) + ExecuteTools.all(workspace, sandbox: sandbox, settings: settings)
            + WebTools.all(pages) + NotionTools.all(settings, pages: pages) + ModelTools.all(settings: settings, clients: clients)
            + [SystemInformation(settings: settings, clients: clients)]
        calls = ToolCalls(
            tools: tools, permissions: guards.permissions, limiter: guards.limiter, approvals: guards.approvals, audit: guards.audit,
            settings: settings)
        mcp = MCPServer(calls: calls, clients: clients, settings: settings)
        offered = tools.count
        self.guards = guards
        self.logger = logger
        for name in guards.turnedOff { logger.warning("\(name) is off: what it guards is not guarded", metadata: ["setting": "\(name)"]) }
    }

    public var routes: [Route] {
        ToolRoutes(calls: calls, limiter: guards.limiter, logger: logger).all
            + ApprovalRoutes(guards.approvals, audit: guards.audit).all + MCPEndpoint(server: mcp).routes
    }

    /// The last ends first: what runs programs, before what they are recorded in.
    public var companions: [any Service] { guards.companions + [SandboxProof(sandbox: sandbox), mcp.tasks] }

    /// What is turned off stands here as it does in the log and in `maru verify`.
    public func health() async -> Health {
        let facts: [String: JSONValue] = [
            "tools": .integer(Int64(offered)), "turned_off": .array(guards.turnedOff.map(JSONValue.string)),
            "sessions": .integer(Int64(await mcp.sessions.count)), "sandbox": .string(await sandbox.state.description),
        ]
        do {
            try await guards.database.ping()
        } catch {
            return Health(.degraded, reason: "the security database cannot be read: \(error)", facts: facts)
        }
        return Health(.ok, facts: facts)
    }
}
