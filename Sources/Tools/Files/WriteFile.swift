import Foundation
import ServiceKit
import SystemPackage

/// `write_file`: replaces or makes one text file, whole or not at all.
struct WriteFile: Tool {
    let name = "write_file"
    let workspace: Workspace

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let (path, content) = (arguments.string("path"), arguments.string("content"))
        return try await offPool {
            guard content.utf8.count <= TextFile.sizeLimit else { throw TextFile.tooLarge(path, content.utf8.count) }
            guard let place = try workspace.openForWriting(path, from: arguments.optionalString("working_dir"), makesFolders: true) else {
                throw ServiceError.notFound("\(PathRules.shown(path)) does not exist.")
            }
            try workspace.write(Data(content.utf8), to: place, given: path)
            let bytes = content.utf8.count
            let isNew = place.existing == nil
            return ToolResult(
                [
                    "path": .string(place.name), "size": .integer(Int64(content.unicodeScalars.count)), "bytes": .integer(Int64(bytes)),
                    "created": .bool(isNew), "success": true,
                ], text: "\(isNew ? "Made" : "Replaced") \(place.name): \(bytes) bytes.")
        }
    }

    /// The difference between what is there and what would be.
    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        let (path, content) = (arguments.string("path"), arguments.string("content"))
        return try await offPool {
            let folder = arguments.optionalString("working_dir")
            guard let place = try workspace.openForWriting(path, from: folder, makesFolders: false), place.existing != nil else {
                return UnifiedDiff.text(from: nil, to: content, name: path)
            }
            let file = try workspace.openFile(path, from: folder)
            do {
                return UnifiedDiff.text(from: try TextFile.text(of: file), to: content, name: place.name)
            } catch let error as ServiceError {
                return "\(place.name) would be replaced whole by \(content.utf8.count) bytes. There is no diff: \(error.message)"
            }
        }
    }
}
