import HTTPTypes
import ServiceKit

/// An error as JSON-RPC tells it (https://www.jsonrpc.org/specification, and the error codes of MCP 2026-07-28, “Error Codes”).
public struct MCPError: Error, Sendable, Equatable {
    public let code: Int
    public let message: String
    public let data: JSONValue?
    /// The status that the modern revision sends it with; the legacy ones send errors of methods with 200.
    public let status: HTTPResponse.Status
    /// Seconds after which it makes sense to try again.
    public let retryAfter: Int?

    public init(_ code: Int, _ message: String, data: JSONValue? = nil, status: HTTPResponse.Status = .badRequest, retryAfter: Int? = nil) {
        self.code = code
        self.message = message
        self.data = data
        self.status = status
        self.retryAfter = retryAfter
    }

    static let parse = -32_700
    static let invalidRequest = -32_600
    static let methodNotFound = -32_601
    static let invalidParams = -32_602
    static let internalError = -32_603
    static let headerMismatch = -32_020
    static let missingCapability = -32_021
    static let unsupportedVersion = -32_022
    /// Legacy revisions alone; later ones say ``invalidParams``.
    static let resourceNotFound = -32_002

    static func invalidParams(_ message: String, data: JSONValue? = nil) -> MCPError { MCPError(invalidParams, message, data: data) }

    static func invalidRequest(_ message: String) -> MCPError { MCPError(invalidRequest, message) }

    static func headerMismatch(_ message: String) -> MCPError { MCPError(headerMismatch, message) }

    static func methodNotFound(_ method: String) -> MCPError {
        MCPError(methodNotFound, "There is no method “\(method.prefix(100))” in this revision.", status: .notFound)
    }

    static func unsupportedVersion(_ requested: String) -> MCPError {
        MCPError(
            unsupportedVersion, "Unsupported protocol version",
            data: [
                "supported": .array(MCPRevision.newestFirst.map { .string($0.rawValue) }),
                "requested": .string(String(requested.prefix(100))),
            ])
    }

    static func missingExtension(_ name: String) -> MCPError {
        MCPError(
            missingCapability, "The client has not declared the extension \(name) in this request.",
            data: ["requiredCapabilities": ["extensions": [name: [:]]]])
    }

    /// An error of the suite where no tool result can carry it.
    init(_ error: ServiceError) {
        let isTheirs = (400..<500).contains(error.status.code) && error.status != .tooManyRequests
        self.init(
            isTheirs ? Self.invalidParams : Self.internalError, error.message,
            data: ["status": .integer(Int64(error.status.code)), "code": .string(error.code)], status: error.status,
            retryAfter: error.retryAfter.map { max(1, Int($0.components.seconds)) })
    }

    /// The `error` member of a response.
    var json: JSONValue {
        var members: [String: JSONValue] = ["code": .integer(Int64(code)), "message": .string(message)]
        if let data { members["data"] = data }
        return .object(members)
    }
}

/// The client took the request back; nobody is to be answered.
struct RequestCancelled: Error {}
