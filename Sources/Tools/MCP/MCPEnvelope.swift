import Foundation
import HTTPTypes
import ServiceKit

/// What a request of the modern revision says of itself, in `_meta` and, over HTTP, in headers that have to say the same.
struct MCPEnvelope: Sendable {
    static let version = "io.modelcontextprotocol/protocolVersion"
    static let capabilities = "io.modelcontextprotocol/clientCapabilities"
    static let logLevel = "io.modelcontextprotocol/logLevel"
    static let serverInfo = "io.modelcontextprotocol/serverInfo"
    static let subscription = "io.modelcontextprotocol/subscriptionId"

    let revision: MCPRevision
    let capabilities: JSONValue
    let logLevel: MCPLogLevel?

    /// Whether a request is one of the modern era: it says its version itself.
    static func isModern(_ params: [String: JSONValue]) -> Bool { params["_meta"]?[version] != nil }

    /// - Parameter headers: those of the HTTP request; `nil` on a transport without any.
    /// - Throws: -32602 when a member is missing, -32020 when the headers say something else, -32022 for a version that is not spoken.
    init(_ request: MCPRequest, headers: HTTPFields?) throws {
        let meta = request.meta
        let missing = [Self.version, Self.capabilities].filter { meta[$0] == nil }
        guard missing.isEmpty else {
            throw MCPError.invalidParams("params._meta has to have: \(missing.joined(separator: ", ")).")
        }
        if let headers { try Self.check(headers, against: request) }
        guard let version = meta[Self.version]?.stringValue, let capabilities = meta[Self.capabilities], capabilities.objectValue != nil
        else { throw MCPError.invalidParams("The version in params._meta must be a string, the capabilities an object.") }
        guard let revision = MCPRevision(rawValue: version), revision.isModern else { throw MCPError.unsupportedVersion(version) }
        self.revision = revision
        self.capabilities = capabilities
        logLevel = try meta[Self.logLevel].map { value in
            guard let level = value.stringValue.flatMap(MCPLogLevel.init(rawValue:)) else {
                throw MCPError.invalidParams(
                    "\(Self.logLevel) must be one of: \(MCPLogLevel.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return level
        }
    }

    /// Which parameter stands in `Mcp-Name`.
    private static let named = [
        "tools/call": "name", "prompts/get": "name", "resources/read": "uri", "tasks/get": "taskId", "tasks/update": "taskId",
        "tasks/cancel": "taskId",
    ]

    /// MCP 2026-07-28, Streamable HTTP, “Server Validation”: who routes by headers must see what is done by the body.
    private static func check(_ headers: HTTPFields, against request: MCPRequest) throws {
        for name in [HTTPField.Name.mcpProtocolVersion, .mcpMethod, .mcpName] where headers[values: name].count > 1 {
            throw MCPError.headerMismatch("The header \(name) stands more than once.")
        }
        guard let version = headers[.mcpProtocolVersion], version == request.meta[Self.version]?.stringValue else {
            throw MCPError.headerMismatch("The header MCP-Protocol-Version is missing, or is not the version in params._meta.")
        }
        guard headers[.mcpMethod] == request.method else {
            throw MCPError.headerMismatch("The header Mcp-Method is missing, or is not the method of the body.")
        }
        guard let parameter = named[request.method] else { return }
        let given = headers[.mcpName]
        // The extension of tasks came later than clients that know the three others.
        if given == nil, request.method.hasPrefix("tasks/") { return }
        guard let given, let name = decoded(given), name == request.params[parameter]?.stringValue else {
            throw MCPError.headerMismatch("The header Mcp-Name is missing, or is not params.\(parameter) of the body.")
        }
    }

    /// A header's value; one that is no plain ASCII comes as `=?base64?…?=`.
    static func decoded(_ value: String) -> String? {
        guard value.hasPrefix("=?base64?"), value.hasSuffix("?="), value.utf8.count >= 11 else {
            return value.utf8.allSatisfy { (0x20...0x7e).contains($0) } ? value : nil
        }
        let payload = String(value.dropFirst(9).dropLast(2))
        guard let data = Data(base64Encoded: payload), data.base64EncodedString() == payload else { return nil }
        return String(validating: data, as: UTF8.self)
    }
}

extension HTTPField.Name {
    static let mcpProtocolVersion = mcp("MCP-Protocol-Version")
    static let mcpMethod = mcp("Mcp-Method")
    static let mcpName = mcp("Mcp-Name")
    static let mcpSessionID = mcp("Mcp-Session-Id")
    static let xAccelBuffering = mcp("X-Accel-Buffering")

    /// A name written here in the source; one that breaks RFC 9110 is a programming error.
    private static func mcp(_ name: String) -> Self {
        guard let field = Self(name) else { preconditionFailure("\(name) is no header name") }
        return field
    }
}
