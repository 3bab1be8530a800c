import Foundation
import HTTPTypes
import ServiceKit

/// What a search looks for.
struct SearchQuery: Sendable {
    let pattern: String
    let isFixed: Bool
    let isCaseSensitive: Bool
    let matchesNames: Bool
    let maxResults: Int
    let glob: Glob?
    /// Checked by us in any case, so that both ways of searching refuse the same patterns.
    private let expression: NSRegularExpression

    /// - Throws: 422 for a pattern that is no regular expression.
    init(_ arguments: ToolArguments) throws {
        pattern = arguments.string("pattern")
        isFixed = arguments.flag("fixed")
        isCaseSensitive = arguments.flag("case_sensitive")
        matchesNames = arguments.flag("names")
        maxResults = arguments.integer("max_results")
        glob = try arguments.optionalString("glob").flatMap { $0.isEmpty ? nil : try Glob($0) }
        guard !pattern.isEmpty, !pattern.contains("\n"), !pattern.contains("\0") else {
            throw ServiceError.invalid("The pattern must be one line and not empty.", parameter: "pattern")
        }
        var options: NSRegularExpression.Options = isCaseSensitive ? [] : .caseInsensitive
        if isFixed { options.insert(.ignoreMetacharacters) }
        do {
            expression = try NSRegularExpression(pattern: pattern, options: options)
        } catch {
            throw ServiceError.invalid("The pattern is not a regular expression. With fixed, it is taken literally.", parameter: "pattern")
        }
    }

    /// Whether the pattern is in a file's path, or its name.
    func matches(name path: String, until deadline: ContinuousClock.Instant) throws -> Bool { try isIn(path, until: deadline) }

    /// Whether the pattern is in a line.
    ///
    /// - Throws: 504 when it takes longer to say than there is time for: some expressions take for ever on some lines.
    func isIn(_ line: String, until deadline: ContinuousClock.Instant) throws -> Bool {
        var isFound = false
        var isLate = false
        expression.enumerateMatches(in: line, options: .reportProgress, range: NSRange(location: 0, length: (line as NSString).length)) {
            match, _, stop in
            if match != nil { isFound = true }
            if match == nil, ContinuousClock.now > deadline { isLate = true }
            if isFound || isLate { stop.pointee = true }
        }
        guard !isLate else { throw Self.tooSlow }
        return isFound
    }

    static var tooSlow: ServiceError {
        ServiceError(
            .gatewayTimeout, code: "timeout", "The search took too long. Search a smaller folder, or for something simpler.",
            parameter: "pattern")
    }
}
