import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI

/// Files of the workspace as resources. They are read by the tools' own way, so that permission, path policy, limits and audit hold.
extension MCPServer {
    static let projectFiles = "project://files"
    static let fileTemplate = "file://{+path}"

    private func mayCall(_ tool: String, _ exchange: MCPExchange) async throws -> Bool {
        try await tools.tools(for: exchange.caller).contains { $0.name == tool }
    }

    func listResources(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        let items: [JSONValue] =
            try await mayCall("list_files", exchange)
            ? [
                [
                    "uri": .string(Self.projectFiles), "name": "files", "title": "Files of the workspace",
                    "description": "What lies at the top of the workspace.", "mimeType": "application/json",
                ]
            ] : []
        return try list("resources", items, request, exchange)
    }

    func listTemplates(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        let items: [JSONValue] =
            try await mayCall("read_file", exchange)
            ? [
                [
                    "uriTemplate": .string(Self.fileTemplate), "name": "file", "title": "A file of the workspace",
                    "description": "A UTF-8 text file; a path that does not begin with / starts from the workspace.",
                ]
            ] : []
        return try list("resourceTemplates", items, request, exchange)
    }

    func readResource(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        let uri = try request.string("uri")
        let tool: String
        let arguments: JSONValue
        if uri == Self.projectFiles {
            (tool, arguments) = ("list_files", ["path": "."])
        } else if let path = Self.path(of: uri) {
            (tool, arguments) = ("read_file", ["path": .string(path)])
        } else {
            throw notFound(uri, "There is no resource “\(uri.prefix(200))”.", exchange)
        }
        let answer: MCPAnswer
        do {
            answer = try await tools.call(
                MCPCall(
                    tool: tool, arguments: arguments, caller: exchange.caller, address: exchange.address, sessionID: exchange.sessionID,
                    requestID: exchange.requestID))
        } catch let error as ServiceError where error.status == .notFound {
            throw notFound(uri, error.message, exchange)
        }
        guard case .done(let result) = answer else {
            throw MCPError(ServiceError(.forbidden, code: "approval_required", "\(tool) has to be approved: call the tool itself."))
        }
        let text: String
        let type: String
        if tool == "list_files" {
            text = String(decoding: try JSONEncoder.sorted.encode(result.structured), as: UTF8.self)
            type = "application/json"
        } else {
            text = result.structured["content"]?.stringValue ?? result.text
            type = Self.mimeType(of: uri)
        }
        var members: [String: JSONValue] = ["contents": [["uri": .string(uri), "mimeType": .string(type), "text": .string(text)]]]
        if exchange.revision.isModern {
            members["ttlMs"] = 0
            members["cacheScope"] = "private"
        }
        return members
    }

    private func notFound(_ uri: String, _ message: String, _ exchange: MCPExchange) -> MCPError {
        MCPError(
            exchange.revision.isModern ? MCPError.invalidParams : MCPError.resourceNotFound, message,
            data: ["uri": .string(String(uri.prefix(2_048)))])
    }

    /// The path that a `file:` URI names: absolute after `file:///`, else from the workspace on.
    static func path(of uri: String) -> String? {
        guard uri.hasPrefix("file://"), uri.utf8.count <= 8_192, !uri.contains("?"), !uri.contains("#"),
            let path = uri.dropFirst(7).removingPercentEncoding, !path.isEmpty, !path.contains("\0")
        else { return nil }
        return path.hasPrefix("localhost/") ? String(path.dropFirst(9)) : path
    }

    private static func mimeType(of uri: String) -> String {
        switch uri.split(separator: ".").last?.lowercased() {
        case "md", "markdown": "text/markdown"
        case "json": "application/json"
        case "html", "htm": "text/html"
        case "csv": "text/csv"
        default: "text/plain"
        }
    }
}
