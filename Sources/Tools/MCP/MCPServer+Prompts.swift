import ServiceKit
import SuiteAPI

extension MCPServer {
    /// The prompts whose tool the caller may call.
    private func prompts(for caller: Caller) async throws -> [MCPPrompt] {
        let names = Set(try await tools.tools(for: caller).map(\.name))
        return MCPPrompt.all.filter { names.contains($0.tool) }
    }

    private func prompt(_ name: String, for caller: Caller) async throws -> MCPPrompt {
        guard let prompt = try await prompts(for: caller).first(where: { $0.name == name }) else {
            throw MCPError.invalidParams("There is no prompt “\(name.prefix(100))”.")
        }
        return prompt
    }

    func listPrompts(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        try list("prompts", await prompts(for: exchange.caller).map(\.json), request, exchange)
    }

    func getPrompt(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        let prompt = try await prompt(try request.string("name"), for: exchange.caller)
        let given = request.params["arguments"] ?? [:]
        guard let given = given.objectValue else { throw MCPError.invalidParams("“arguments” must be an object.") }
        let text = prompt.text(try prompt.checked(given))
        return [
            "description": .string(prompt.summary),
            "messages": [["role": "user", "content": ["type": "text", "text": .string(text)]]],
        ]
    }

    /// Completions of a prompt's argument or of the path in the template of files.
    func complete(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        guard let reference = request.params["ref"], let argument = request.params["argument"]?["name"]?.stringValue,
            let value = request.params["argument"]?["value"]?.stringValue
        else { throw MCPError.invalidParams("completion/complete needs “ref” and “argument” with a name and a value.") }
        switch reference["type"]?.stringValue {
        case "ref/prompt":
            let prompt = try await prompt(reference["name"]?.stringValue ?? "", for: exchange.caller)
            guard let known = prompt.arguments.first(where: { $0.name == argument }) else {
                throw MCPError.invalidParams("\(prompt.name) has no argument “\(argument.prefix(100))”.")
            }
            if argument == "path" { return Self.completion(try await paths(value, exchange)) }
            if argument == "collection" {
                return Self.completion(try await tools.collections().filter { $0.hasPrefix(value) }.sorted())
            }
            return Self.completion((known.choices ?? []).filter { $0.hasPrefix(value) })
        case "ref/resource":
            guard reference["uri"]?.stringValue == Self.fileTemplate, argument == "path" else {
                throw MCPError.invalidParams("There is no such resource template or argument.")
            }
            return Self.completion(try await paths(value, exchange))
        default: throw MCPError.invalidParams("“ref” must be of the type ref/prompt or ref/resource.")
        }
    }

    /// What lies in the folder of a path that is being typed and goes on as it does.
    private func paths(_ typed: String, _ exchange: MCPExchange) async throws -> [String] {
        let folder = typed.lastIndex(of: "/").map { String(typed[...$0]) } ?? ""
        let call = MCPCall(
            tool: "list_files", arguments: ["path": .string(folder.isEmpty ? "." : folder)], caller: exchange.caller,
            address: exchange.address, sessionID: exchange.sessionID, requestID: exchange.requestID)
        guard case .done(let result) = try await tools.call(call) else { return [] }
        return Self.names(result.structured).map { folder + $0 }.filter { $0.hasPrefix(typed) }
    }

    /// The names in a listing, however it is dressed: words, or objects with a name.
    private static func names(_ listing: JSONValue) -> [String] {
        let items = listing.arrayValue ?? listing.objectValue?.values.lazy.compactMap(\.arrayValue).first ?? []
        return items.compactMap { $0.stringValue ?? $0["name"]?.stringValue ?? $0["path"]?.stringValue }
    }

    /// At most 100 values, as the protocol has it.
    private static func completion(_ values: [String]) -> [String: JSONValue] {
        [
            "completion": [
                "values": .array(values.prefix(100).map(JSONValue.string)), "total": .integer(Int64(values.count)),
                "hasMore": .bool(values.count > 100),
            ]
        ]
    }
}
