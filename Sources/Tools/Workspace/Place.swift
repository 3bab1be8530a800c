import Foundation
import ServiceKit
import SystemPackage

/// Where a call's path points: a root, and the way from there, not yet looked at.
struct Place: Sendable {
    let root: FilePath
    /// The way below the root, `/` between parts; empty for the root itself.
    let way: String
    /// As the caller wrote it, for refusals.
    let given: String

    /// Absolute, as the caller may see it; `..` are still in it.
    var path: FilePath { root.pushing(FilePath(way)) }
}

extension Workspace {
    /// The root and the way that a path means.
    ///
    /// - Parameters:
    ///   - path: absolute below a root, or relative.
    ///   - workingFolder: where a relative path starts; the first root without one.
    /// - Throws: 403 when it leads out of every root, 422 when it is no path.
    func place(_ path: String, from workingFolder: String?, parameter: String = "path") throws -> Place {
        try PathRules.check(path, parameter: parameter)
        if path.hasPrefix("/") { return try absolute(path) }
        guard let first = roots.first else { throw PathRules.outside(path) }
        var start = Place(root: first, way: "", given: path)
        if let workingFolder, !workingFolder.isEmpty { start = try place(workingFolder, from: nil, parameter: "working_dir") }
        let way = try inside(start.way.isEmpty ? path : start.way + "/" + path, given: path)
        return Place(root: start.root, way: way, given: path)
    }

    private func absolute(_ path: String) throws -> Place {
        let parts = path.split(separator: "/").map(String.init).filter { $0 != "." }
        // The longest root that the path begins with, part by part: `/srv/a-evil` does not lie in `/srv/a`.
        let matches = roots.flatMap { root in [root, Self.real(root)].map { (root, $0.parts) } }
        guard let (root, prefix) = matches.filter({ parts.starts(with: $0.1) }).max(by: { $0.1.count < $1.1.count }) else {
            throw PathRules.outside(path)
        }
        return Place(root: root, way: try inside(parts.dropFirst(prefix.count).joined(separator: "/"), given: path), given: path)
    }

    /// The way without `.`, unless it climbs out of the root by its words alone.
    private func inside(_ way: String, given: String) throws -> String {
        var depth = 0
        let parts = way.split(separator: "/").filter { $0 != "." }
        for part in parts {
            depth += part == ".." ? -1 : 1
            guard depth >= 0 else { throw PathRules.outside(given) }
        }
        return parts.joined(separator: "/")
    }
}
