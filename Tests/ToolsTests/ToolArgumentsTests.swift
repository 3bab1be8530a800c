import HTTPTypes
import Security
import ServiceKit
import SuiteAPI
import Testing
import Tools

@Suite("Arguments of tools")
struct ToolArgumentsTests {
    private let readFile = ToolCatalogue["read_file"]

    @Test("Guests have 7 tools, developers 15, administrators 25, and weakness 15 is gone: each tool has one sensitivity")
    func weakness_15_counts() {
        #expect(ToolCatalogue.tools(of: .guest).count == 7)
        #expect(ToolCatalogue.tools(of: .developer).count == 15)
        #expect(ToolCatalogue.tools(of: .admin).count == 25)
        let guarded = ToolCatalogue.all.filter(\.needsApproval).map(\.name).sorted()
        #expect(
            guarded == ["execute_bash", "execute_python", "git_commit", "run_command", "switch_model", "web_automate", "write_file"])
    }

    @Test("An argument that is missing, unknown or of the wrong type is refused by name")
    func refusals() throws {
        let tool = try #require(readFile)
        for (given, parameter) in [
            (["working_dir": "a"], "path"), (["path": 7], "path"), (["path": "a", "pth": "b"], "pth"), ([], "arguments"),
        ] as [(JSONValue, String)] {
            let error = #expect(throws: ServiceError.self) { try ToolArguments(given, for: tool) }
            #expect(error?.parameter == parameter && error?.status == .unprocessableContent)
        }
    }

    @Test("Equal calls have equal digests however they are spelled; other arguments or another tool have another")
    func digests() throws {
        let list = try #require(ToolCatalogue["list_files"])
        let one = try ToolArguments(["path": "."], for: list)
        let same = try ToolArguments([:], for: list)
        let other = try ToolArguments(["path": "src"], for: list)
        let read = try #require(readFile)
        #expect(try one.binding(to: list) == same.binding(to: list))
        #expect(try one.binding(to: list).digest != other.binding(to: list).digest)
        #expect(try other.binding(to: list).digest != other.binding(to: read).digest)
    }
}
