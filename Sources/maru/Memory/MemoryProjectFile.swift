import Foundation
import ServiceKit
import SystemPackage

/// `.ai-memory/project.json`: which memory belongs to a folder (spec/05 §5.2 of the reference system).
struct MemoryProjectFile: Codable {
    let project_id: String
    let project_name: String
    let project_path: String
    let created_at: String
    let updated_at: String

    private static let place = ".ai-memory/project.json"

    /// The file of a folder or of the nearest one above it that has one.
    ///
    /// - Throws: ``CommandError`` when there is one that cannot be read: another memory in its place would be a wrong one.
    static func nearest(to folder: URL) throws -> MemoryProjectFile? {
        var folder = folder.standardizedFileURL
        while true {
            let file = folder.appending(path: place)
            if let data = try? Data(contentsOf: file) {
                do {
                    return try JSONDecoder().decode(Self.self, from: data)
                } catch {
                    throw CommandError(
                        "\(file.path(percentEncoded: false)) cannot be read: \(error)\nMend it, or remove it and run: maru memory init")
                }
            }
            let above = folder.deletingLastPathComponent().standardizedFileURL
            guard above.path() != folder.path() else { return nil }
            folder = above
        }
    }

    /// Gives a folder a memory of its own, or tells which it has.
    static func make(in folder: URL, name: String?) throws -> (file: MemoryProjectFile, isNew: Bool) {
        let folder = folder.standardizedFileURL
        let path = folder.appending(path: place)
        if FileManager.default.fileExists(atPath: path.path(percentEncoded: false)), let known = try nearest(to: folder) {
            return (known, false)
        }
        let now = Date.now.formatted(.iso8601)
        let file = MemoryProjectFile(
            project_id: UUID().uuidString.lowercased(), project_name: name ?? folder.lastPathComponent,
            project_path: FilePath(folder.path(percentEncoded: false)).string, created_at: now, updated_at: now)
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        let encoder = JSONEncoder.sorted
        encoder.outputFormatting.insert(.prettyPrinted)
        try encoder.encode(file).write(to: path, options: .atomic)
        return (file, true)
    }
}
