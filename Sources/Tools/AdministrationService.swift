import Sandbox
import Security
import ServiceKit
import Suite

/// The administration of the tool server, on a port of its own: users, roles, keys, the audit log, sessions, the sandbox. Administrators only.
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
        IdentityRoutes(directory: tools.guardhouse.directory, audit: tools.guardhouse.audit).all
            + AuditRoutes(audit: tools.guardhouse.audit).all
            + SandboxRoutes(sandbox: tools.workshop.sandbox, calls: tools.workshop.calls, mcp: tools.mcp, settings: settings).all
            + ApprovalRoutes(approvals: tools.guardhouse.approvals, permissions: tools.guardhouse.permissions).administration
    }

    public func health() async -> Health { await tools.health() }
}
