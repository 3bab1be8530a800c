import Foundation
import ServiceKit
import SuiteAPI

/// Reads the arguments of a tool's call from the command line.
enum CallArguments {
    /// - Throws: ``CommandError`` for what is neither JSON nor `name=value`.
    static func parse(_ json: String?, pairs: [String], tool: ToolDescriptor?) throws -> JSONValue {
        var members: [String: JSONValue] = [:]
        if let json {
            let data = json == "-" ? FileHandle.standardInput.readDataToEndOfFile() : Data(json.utf8)
            guard case .object(let given)? = try? JSONDecoder().decode(JSONValue.self, from: data) else {
                throw CommandError("--args takes a JSON object, for example '{\"path\": \"README.md\"}'.")
            }
            members = given
        }
        for pair in pairs {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else {
                throw CommandError("“\(pair)” is not name=value.")
            }
            let name = String(pair[..<equals])
            members[name] = value(String(pair[pair.index(after: equals)...]), for: tool?.arguments.first { $0.name == name })
        }
        return .object(members)
    }

    /// A value as the schema has it; what does not fit goes to the server as text, which says what is wrong with it.
    private static func value(_ text: String, for argument: ToolArgument?) -> JSONValue {
        switch argument?.kind {
        case .integer: Int64(text).map(JSONValue.integer) ?? .string(text)
        case .boolean: ["true": true, "false": false][text].map(JSONValue.bool) ?? .string(text)
        case .strings: (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .array([.string(text)])
        case .string, .choice, nil: .string(text)
        }
    }
}
