import Foundation
import ServiceKit
import SystemPackage

/// `read_file`: the text of one file, as the FileInfo object of spec/02 §2.3.
struct ReadFile: Tool {
    let name = "read_file"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        try await offPool {
            let file = try workspace.openFile(arguments.string("path"), from: arguments.optionalString("working_dir"))
            let text = try TextFile.text(of: file)
            let hasMark = text.utf8.starts(with: [0xEF, 0xBB, 0xBF])
            let type = file.path.extension.map { "." + $0 } ?? ""
            return ToolResult(
                [
                    "path": .string(file.name), "content": .string(text), "size": .integer(Int64(text.unicodeScalars.count)),
                    "bytes": .integer(Int64(text.utf8.count)), "type": .string(type), "byte_order_mark": .bool(hasMark),
                ], text: text)
        }
    }
}
