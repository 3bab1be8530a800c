import Foundation
import ServiceKit
import Testing

@testable import SuiteAPI
@testable import Tools

/// MCP, “Output Schema”: what a tool answers is what it says it answers.
@Suite("Results of tools and their schemas")
struct MCPResultTests {
    @Test("Every tool of the catalogue has a schema of its result, an object")
    func schemas() {
        for tool in ToolCatalogue.all {
            #expect(ToolCatalogue.results[tool.name] != nil, "\(tool.name)")
            #expect(tool.outputSchema["type"] == "object", "\(tool.name)")
        }
        #expect(Set(ToolCatalogue.results.keys) == Set(ToolCatalogue.all.map(\.name)))
    }

    @Test("tools/list carries the schemas, in either era")
    func listed() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let modern = try await wire.modern("tools/list").result["tools"]?.arrayValue ?? []
            let legacy = try await wire.send(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, wire.session()).result["tools"]
            #expect(modern == legacy?.arrayValue && modern.count > 10)
            for tool in modern {
                #expect(tool["outputSchema"] == ToolCatalogue[tool["name"]?.stringValue ?? ""]?.outputSchema)
            }
        }
    }

    /// A result as the protocol sends it, held against the schema that the tool is listed with.
    private func check(_ name: String, _ result: JSONValue) throws {
        let tool = try #require(ToolCatalogue[name])
        let sent = MCPServer.json(ToolResult(result, text: ""))["structuredContent"] ?? .null
        #expect(schemaProblems(sent, tool.outputSchema) == [], "\(name)")
        // And the schema says something: without its fields the result would not do.
        #expect(schemaProblems([:], tool.outputSchema) != [], "\(name)")
    }

    @Test("What the tools of files and git answer is what their schemas say")
    func realResults() async throws {
        try await ToolBench.with { bench in
            try await bench.git("init", "-q", "-b", "main")
            try bench.write("a.txt", "one\n")
            try bench.write("sub/b.md", "# two\n")
            let calls: [(String, JSONValue)] = [
                ("read_file", ["path": "a.txt"]), ("list_files", [:]), ("search_files", ["pattern": "one"]),
                ("search_files", ["pattern": "md", "names": true]), ("write_file", ["path": "c.txt", "content": "three\n"]),
                ("write_file", ["path": "c.txt", "content": "four\n"]), ("create_directory", ["path": "made/below"]),
                ("git_status", [:]), ("git_log", [:]), ("git_add", ["file_paths": "a.txt"]), ("git_diff", ["staged": true]),
                ("git_commit", ["message": "first"]), ("git_log", ["oneline": false]), ("git_diff", [:]),
                ("git_commit", ["message": "none"]),
            ]
            for (name, arguments) in calls { try check(name, try await bench.call(name, arguments)) }
        }
    }

    @Test("What is told of an approval fits the schema of a tool that needs one, and of no other")
    func approvals() throws {
        let facts = MCPApproval(id: "x", status: "pending", expiresAt: .now).facts
        for tool in ToolCatalogue.all where tool.needsApproval { #expect(schemaProblems(facts, tool.outputSchema) == [], "\(tool.name)") }
        #expect(schemaProblems(facts, try #require(ToolCatalogue["read_file"]).outputSchema) != [])
    }

    @Test("A collection that is being typed is completed from those there are, for who may ask the documents")
    func collections() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let reference: JSONValue = ["type": "ref/prompt", "name": "ask_documents"]
            let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "completion/complete")]
            for (typed, expected) in [("m", ["manuals", "minutes"]), ("", ["default", "manuals", "minutes"]), ("x", [])]
                as [(String, [String])]
            {
                let answer = try await wire.modern(
                    "completion/complete", ["ref": reference, "argument": ["name": "collection", "value": .string(typed)]], headers: headers
                )
                #expect(answer.result["completion"]?["values"] == .array(expected.map(JSONValue.string)), "\(answer.body)")
            }
        }
    }
}
