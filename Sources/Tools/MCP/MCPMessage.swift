import Foundation
import ServiceKit

/// The id of a request, kept as it came: `"1"` is not `1`.
public enum RequestID: Sendable, Hashable {
    case text(String)
    case number(Int64)

    init?(_ value: JSONValue) {
        switch value {
        case .string(let text) where text.utf8.count <= 1_024: self = .text(text)
        case .integer(let number): self = .number(number)
        default: return nil
        }
    }

    var json: JSONValue {
        switch self {
        case .text(let text): .string(text)
        case .number(let number): .integer(number)
        }
    }
}

/// What a client sends.
public enum MCPMessage: Sendable {
    case request(MCPRequest)
    case notification(method: String, params: [String: JSONValue])
    /// An answer to a question of the server's. None is ever asked, so there is nothing that it could answer.
    case response
}

/// A request of a client's.
public struct MCPRequest: Sendable {
    public let id: RequestID
    public let method: String
    public let params: [String: JSONValue]

    public init(id: RequestID, method: String, params: [String: JSONValue] = [:]) {
        self.id = id
        self.method = method
        self.params = params
    }

    public var meta: [String: JSONValue] { params["_meta"]?.objectValue ?? [:] }

    /// - Throws: -32602 naming the parameter.
    func string(_ name: String) throws -> String {
        guard let value = params[name]?.stringValue else {
            throw MCPError.invalidParams("\(method) needs the parameter “\(name)”, a string.")
        }
        return value
    }
}

/// A message that cannot be taken, with its id where that could be read.
public struct MCPRefusal: Error, Sendable {
    public let id: RequestID?
    public let error: MCPError
}

extension MCPMessage {
    /// How deep arrays and objects may lie in one another.
    static let maxDepth = 64

    /// Reads one JSON-RPC 2.0 message.
    ///
    /// - Throws: ``MCPRefusal``: -32700 for what is no JSON, -32600 for what is no single message. Batches were in one revision alone, which
    ///   is not spoken here.
    public init(_ bytes: some Sequence<UInt8>) throws {
        let text = Array(bytes)
        func refuse(_ code: Int, _ message: String, id: RequestID? = nil) -> MCPRefusal {
            MCPRefusal(id: id, error: MCPError(code, message))
        }
        guard Self.isShallow(text) else {
            throw refuse(MCPError.invalidRequest, "The message is nested deeper than \(Self.maxDepth) levels.")
        }
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text)) else {
            throw refuse(MCPError.parse, "The message is not valid JSON in UTF-8.")
        }
        guard let members = value.objectValue else {
            throw refuse(
                MCPError.invalidRequest,
                value.arrayValue == nil
                    ? "A message is a JSON object." : "Batches are not part of this revision; send one message at a time.")
        }
        guard (try? JSONMembers(text)) != nil else {
            throw refuse(MCPError.invalidRequest, "A member of the message stands twice, or there are more than \(JSONMembers.limit).")
        }
        let id = members["id"].flatMap { RequestID($0) }
        guard members["jsonrpc"] == "2.0" else { throw refuse(MCPError.invalidRequest, "“jsonrpc” must be \"2.0\".", id: id) }
        guard members["id"] == nil || id != nil else {
            throw refuse(MCPError.invalidRequest, "“id” must be a string of at most 1,024 bytes or a whole number.")
        }
        guard let method = members["method"] else {
            guard members["result"] != nil || members["error"] != nil else {
                throw refuse(MCPError.invalidRequest, "The message has no “method”.", id: id)
            }
            self = .response
            return
        }
        guard let method = method.stringValue, !method.isEmpty, members["result"] == nil, members["error"] == nil else {
            throw refuse(MCPError.invalidRequest, "“method” must be a string, and a request carries no result.", id: id)
        }
        let params: [String: JSONValue]
        switch members["params"] {
        case nil: params = [:]
        case .object(let given): params = given
        // Params by position are JSON-RPC, but no method of MCP knows them.
        default: throw refuse(id == nil ? MCPError.invalidRequest : MCPError.invalidParams, "“params” must be an object.", id: id)
        }
        if let meta = params["_meta"], meta.objectValue == nil {
            throw refuse(MCPError.invalidParams, "“_meta” must be an object.", id: id)
        }
        guard let id else {
            self = .notification(method: method, params: params)
            return
        }
        self = .request(MCPRequest(id: id, method: method, params: params))
    }

    /// Counts brackets before anything recurses into them.
    private static func isShallow(_ text: [UInt8]) -> Bool {
        var depth = 0
        var isInString = false
        var isEscaped = false
        for byte in text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth > maxDepth { return false }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return true
    }
}

/// What the server sends.
public enum MCPReply {
    public static func result(_ id: RequestID, _ result: JSONValue) -> JSONValue { ["jsonrpc": "2.0", "id": id.json, "result": result] }

    /// JSON-RPC asks for `null` where the id could not be read.
    public static func error(_ id: RequestID?, _ error: MCPError) -> JSONValue {
        ["jsonrpc": "2.0", "id": id?.json ?? .null, "error": error.json]
    }

    public static func notification(_ method: String, _ params: JSONValue) -> JSONValue {
        ["jsonrpc": "2.0", "method": .string(method), "params": params]
    }
}
