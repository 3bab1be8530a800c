import Foundation
import ServiceKit
import SystemPackage

/// `list_files`: what lies in a folder. Secrets are not mentioned.
struct ListFiles: Tool {
    /// Entries that are answered at the most.
    private static let limit = 10_000

    let name = "list_files"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        try await offPool {
            let path = arguments.string("path")
            let folder = try workspace.openFolder(path, from: arguments.optionalString("working_dir"))
            let names: [FolderEntry]
            do {
                names = try folder.descriptor.entries()
            } catch let error as Errno {
                throw Workspace.refusal(error, path)
            }
            let all = names.filter { !workspace.isDenied($0.name, in: folder) }
            let shown = all.prefix(Self.limit)
            let entries = shown.map { entry -> JSONValue in
                var fields: [String: JSONValue] = ["name": .string(entry.name), "type": .string(entry.kind.rawValue)]
                if entry.kind == .file, let status = try? folder.descriptor.status(of: entry.name) {
                    fields["size"] = .integer(Int64(status.st_size))
                }
                return .object(fields)
            }
            let lines = shown.map { $0.name + ($0.kind == .folder ? "/" : "") }
            let isCut = all.count > shown.count
            return ToolResult(
                [
                    "path": .string(folder.name), "files": .array(shown.map { .string($0.name) }), "entries": .array(entries),
                    "count": .integer(Int64(all.count)), "truncated": .bool(isCut),
                ], text: lines.isEmpty ? "\(folder.name) is empty." : lines.joined(separator: "\n") + (isCut ? "\n… of \(all.count)" : ""))
        }
    }
}
