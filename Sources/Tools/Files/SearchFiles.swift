import Foundation
import ServiceKit
import SystemPackage

/// `search_files`: lines by a regular expression, or files by name.
///
/// Which files are looked at is decided here, by one walk; ripgrep, where it is installed, only looks into them. What it finds is read again
/// through the workspace before it is answered, so that nothing is answered that tools may not read.
struct SearchFiles: Tool {
    /// What a search may take.
    static let timeLimit: Duration = .seconds(20)

    let name = "search_files"
    let workspace: Workspace
    var usesRipgrep = Ripgrep.isInstalled

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let begun = ContinuousClock.now
        let query = try SearchQuery(arguments)
        let scope = try await offPool {
            try SearchScope(
                workspace, path: arguments.string("path"), from: arguments.optionalString("working_dir"), query, begun + Self.timeLimit)
        }
        var found: [SearchMatch]
        if query.matchesNames {
            found = try await offPool {
                try scope.files.filter { try query.matches(name: $0, until: begun + Self.timeLimit) }.map {
                    SearchMatch(path: $0, line: nil, text: nil)
                }
            }
        } else if usesRipgrep {
            found = try await Ripgrep(query: query, scope: scope).matches(until: begun + Self.timeLimit)
        } else {
            found = try await LineSearch(query: query, scope: scope).matches(until: begun + Self.timeLimit)
        }
        let isCut = found.count > query.maxResults || !scope.isWhole
        found = Array(found.prefix(query.maxResults))
        let seconds = (ContinuousClock.now - begun).seconds
        let matches = found.map { match -> JSONValue in
            var fields: [String: JSONValue] = ["path": .string(scope.shown(match.path))]
            if let line = match.line { fields["line"] = .integer(Int64(line)) }
            if let text = match.text { fields["text"] = .string(text) }
            return .object(fields)
        }
        let lines = found.map { match in
            scope.shown(match.path) + (match.line.map { ":\($0): " } ?? "") + (match.text ?? "")
        }
        return ToolResult(
            [
                "pattern": .string(query.pattern), "path": .string(scope.name), "matches": .array(matches),
                "count": .integer(Int64(matches.count)), "truncated": .bool(isCut), "files_searched": .integer(Int64(scope.files.count)),
                "seconds": .number(seconds),
            ], text: lines.isEmpty ? "Nothing found." : lines.joined(separator: "\n") + (isCut ? "\n… there may be more" : ""))
    }
}

/// One thing found.
struct SearchMatch: Sendable, Equatable {
    /// Below the scope's root.
    let path: String
    let line: Int?
    let text: String?
}
