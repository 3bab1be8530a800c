import Foundation
import Logging
import Sandbox
import Security
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// The tool server: 25 tools over MCP and plain HTTP, behind permissions, limits, approvals, a sandbox and an audit log.
public struct ToolsService: SuiteService {
    public let id = ServiceID.mcpServer
    public let errorShape = ErrorShape.detail
    let guardhouse: Guardhouse
    let workshop: Workshop
    let mcp: MCPServer
    private let logger: Logger

    /// - Throws: when the security database cannot be opened, or a folder of the workspace cannot.
    public init(settings: Settings, clients: SuiteClients, logger: Logger) async throws {
        let guardhouse = try await Guardhouse(settings: settings, logger: logger)
        let workshop = try await Workshop(settings: settings, clients: clients, guardhouse: guardhouse, logger: logger)
        self.guardhouse = guardhouse
        self.workshop = workshop
        self.logger = logger
        mcp = MCPServer(calls: workshop.calls, workspace: workshop.workspace, settings: settings)
        for name in guardhouse.turnedOff { logger.warning("\(name) is off: what it guards is not guarded", metadata: ["setting": "\(name)"]) }
    }

    public var routes: [Route] {
        ToolRoutes(calls: workshop.calls, limiter: guardhouse.limiter, logger: logger).all
            + ApprovalRoutes(approvals: guardhouse.approvals, permissions: guardhouse.permissions).all + MCPEndpoint(server: mcp).routes
    }

    public var companions: [any Service] { guardhouse.companions + workshop.companions }

    /// What is turned off stands here as it does in the log and in `maru verify`.
    public func health() async -> Health {
        let sandbox = await workshop.sandbox.state
        let facts: [String: JSONValue] = [
            "tools": .integer(Int64(ToolCatalogue.all.count)), "rbac": .bool(!guardhouse.turnedOff.contains(SettingKeys.rbacEnabled.name)),
            "approvals": .bool(!guardhouse.turnedOff.contains(SettingKeys.approvalEnabled.name)),
            "sandbox": .string(sandbox.word), "turned_off": .array(guardhouse.turnedOff.map(JSONValue.string)),
        ]
        do {
            try await guardhouse.database.ping()
        } catch {
            return Health(.degraded, reason: "the security database cannot be read: \(error)", facts: facts)
        }
        // A machine without a sandbox still has all other tools; those that run code refuse, and say why.
        return Health(.ok, reason: sandbox.reason, facts: facts)
    }
}
