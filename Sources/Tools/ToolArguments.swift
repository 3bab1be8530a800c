import Foundation
import Security
import ServiceKit
import SuiteAPI

/// The arguments of one call: checked against the tool's schema, defaults filled in.
public struct ToolArguments: Sendable {
    public let values: [String: JSONValue]

    /// - Throws: 422 naming the argument that is missing, unknown, or not what the schema asks for.
    public init(_ given: JSONValue, for tool: ToolDescriptor) throws {
        guard let given = given.objectValue else {
            throw ServiceError.invalid("The arguments must be a JSON object.", parameter: "arguments")
        }
        let known = Dictionary(uniqueKeysWithValues: tool.arguments.map { ($0.name, $0) })
        if let unknown = given.keys.filter({ known[$0] == nil }).min() {
            let names = tool.arguments.map(\.name).joined(separator: ", ")
            throw ServiceError.invalid(
                "\(tool.name) has no argument “\(unknown.prefix(100))”; it takes: \(names.isEmpty ? "none" : names).",
                parameter: String(unknown.prefix(100)))
        }
        var values: [String: JSONValue] = [:]
        for argument in tool.arguments {
            if let value = given[argument.name], value != .null {
                values[argument.name] = try argument.checked(value)
            } else if let value = argument.defaultValue {
                values[argument.name] = value
            } else if argument.isRequired {
                throw ServiceError.invalid("\(tool.name) needs the argument “\(argument.name)”.", parameter: argument.name)
            }
        }
        self.values = values
    }

    /// An argument that is required or has a default.
    public func string(_ name: String) -> String { values[name]?.stringValue ?? "" }
    /// An argument that may be left out.
    public func optionalString(_ name: String) -> String? { values[name]?.stringValue }
    public func integer(_ name: String) -> Int { values[name]?.intValue ?? 0 }
    public func flag(_ name: String) -> Bool { values[name]?.boolValue ?? false }
    public func strings(_ name: String) -> [String] { values[name]?.arrayValue?.compactMap(\.stringValue) ?? [] }

    /// What an approval of the call is bound to. Defaults are filled in, so that a call is the same however it is spelled.
    public func binding(to tool: ToolDescriptor) throws -> CallDigest { try CallDigest(tool: tool.name, arguments: .object(values)) }
}

extension ToolArgument {
    /// The value, if the schema accepts it.
    fileprivate func checked(_ value: JSONValue) throws -> JSONValue {
        switch (kind, value) {
        case (.string(let maxBytes), .string(let text)):
            guard text.utf8.count <= maxBytes else {
                throw ServiceError.tooLarge("The argument “\(name)” has \(text.utf8.count) bytes; at most \(maxBytes) are taken.")
            }
            return value
        case (.boolean, .bool): return value
        case (.integer(let range), _):
            guard let number = value.intValue else { break }
            guard range.contains(number) else {
                throw ServiceError.invalid(
                    "The argument “\(name)” must be from \(range.lowerBound) to \(range.upperBound).", parameter: name)
            }
            return .integer(Int64(number))
        case (.choice(let words), .string(let word)):
            guard words.contains(word) else {
                throw ServiceError.invalid("The argument “\(name)” must be one of: \(words.joined(separator: ", ")).", parameter: name)
            }
            return value
        case (.strings(let maxCount), .array(let items)):
            guard items.count <= maxCount, items.allSatisfy({ $0.stringValue != nil }) else { break }
            return value
        default: break
        }
        throw ServiceError.invalid("The argument “\(name)” must be \(kind.words).", parameter: name)
    }
}

extension ToolArgument.Kind {
    fileprivate var words: String {
        switch self {
        case .string: "a string"
        case .integer: "a whole number"
        case .boolean: "true or false"
        case .choice(let words): "one of: " + words.joined(separator: ", ")
        case .strings(let maxCount): "a list of at most \(maxCount) strings"
        }
    }
}
