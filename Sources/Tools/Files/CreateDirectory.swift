import Foundation
import ServiceKit

/// `create_directory`: a folder, with those above it.
struct CreateDirectory: Tool {
    let name = "create_directory"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        try await offPool {
            let place = try workspace.place(arguments.string("path"), from: arguments.optionalString("working_dir"))
            let wasThere = try workspace.existingFolder(place) != nil
            let folder = try workspace.makeFolder(place)
            return ToolResult(
                ["path": .string(folder.name), "created": .bool(!wasThere), "success": true],
                text: wasThere ? "\(folder.name) was there already." : "Made \(folder.name).")
        }
    }
}
