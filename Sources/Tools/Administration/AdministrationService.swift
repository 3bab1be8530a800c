import Security
import ServiceKit
import Suite

/// The administration of the tool server, on a port of its own: users, roles, keys, sessions, the audit log, approvals.
/// Administrators only.
public struct AdministrationService: SuiteService {
    public let id = ServiceID.mcpServer
    public let errorShape = ErrorShape.detail
    private let tools: ToolsService
    private let settings: Settings

    public init(of tools: ToolsService, settings: Settings) {
        self.tools = tools
        self.settings = settings
    }

    public var routes: [Route] {
        AdministrationRoutes(
            administration: Administration(directory: tools.guards.directory, audit: tools.guards.audit), calls: tools.calls,
            mcp: tools.mcp, settings: settings
        ).all
            + SandboxRoutes(sandbox: tools.sandbox).all + ApprovalRoutes(tools.guards.approvals, audit: tools.guards.audit).plain
    }

    public func health() async -> Health { await tools.health() }
}
