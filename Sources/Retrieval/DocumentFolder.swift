import Foundation
import HTTPTypes
import ServiceKit
import Suite
import SystemPackage

/// The documents below a path.
struct DocumentFolder: Sendable {
    struct File: Sendable {
        let path: FilePath
        /// What answers cite: the folder's own name and the path below it.
        let name: String
    }

    private static let skipped: Set<String> = ["node_modules", "build", "dist", "target", "venv", "__pycache__"]
    private let root: FilePath
    private let forbidden: [FilePath]

    private static func real(_ path: FilePath) -> FilePath {
        FilePath(URL(filePath: path.string).resolvingSymlinksInPath().path(percentEncoded: false))
    }

    /// - Throws: 404 when there is nothing, 403 for places that hold keys, what the stack keeps for others, or the system's own files.
    init(_ path: FilePath, settings: Settings) throws {
        guard FileManager.default.fileExists(atPath: path.string) else {
            throw ServiceError.notFound("\(path) does not exist.", code: "path_not_found")
        }
        let real = Self.real(path)
        forbidden =
            ["/proc", "/sys", "/dev", "/etc", "/boot", "/root/.ssh"].map { FilePath($0) } + settings.dataFolders.private.map(Self.real)
        guard !forbidden.contains(where: { real.starts(with: $0) }), !real.components.contains(".ssh") else {
            throw ServiceError(.forbidden, code: "path_forbidden", "\(path) holds no documents and is not read.")
        }
        let type = try FileManager.default.attributesOfItem(atPath: real.string)[.type] as? FileAttributeType
        guard type == .typeDirectory || type == .typeRegular else {
            throw ServiceError.invalid("\(path) is neither a file nor a folder.", parameter: "path")
        }
        guard type == .typeDirectory || TextExtractor.isKnown(path) else {
            throw ServiceError.invalid(
                "\(path) is of no kind that is read: Markdown, text, code, HTML or PDF, told by the name's ending.", parameter: "path")
        }
        root = path
    }

    /// Files of known kinds, in the order of their names. Links are not followed, hidden and built things are left out.
    func files() throws -> [File] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: root.string, isDirectory: &isFolder), isFolder.boolValue else {
            return [File(path: root, name: root.lastComponent?.string ?? root.string)]
        }
        var found: [File] = []
        try walk(root, prefix: root.lastComponent?.string ?? "", into: &found)
        return found
    }

    private func walk(_ folder: FilePath, prefix: String, into found: inout [File]) throws {
        for entry in try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() where !entry.hasPrefix(".") {
            let path = folder.appending(entry)
            let type = try FileManager.default.attributesOfItem(atPath: path.string)[.type] as? FileAttributeType
            let name = prefix.isEmpty ? entry : prefix + "/" + entry.precomposedStringWithCanonicalMapping
            if type == .typeDirectory {
                guard !forbidden.contains(Self.real(path)) else { continue }
                if !Self.skipped.contains(entry) { try walk(path, prefix: name, into: &found) }
            } else if type == .typeRegular, TextExtractor.isKnown(path) {
                found.append(File(path: path, name: name))
            }
        }
    }
}
