import Foundation
import ServiceKit

/// Looks into files without the help of a program: several at once, line by line.
struct LineSearch: Sendable {
    /// Files that are not looked into since they are larger, in bytes.
    static let sizeLimit = 8 << 20
    /// Characters of a line that are answered.
    static let lineLimit = 500

    let query: SearchQuery
    let scope: SearchScope

    /// In the order of files, one more than asked for if there are more.
    ///
    /// - Throws: 504 when the time is over.
    func matches(until deadline: ContinuousClock.Instant) async throws -> [SearchMatch] {
        let workers = max(2, ProcessInfo.processInfo.activeProcessorCount)
        var found: [SearchMatch] = []
        // Pieces in order, so that the search ends at the first files that hold enough.
        for start in stride(from: 0, to: scope.files.count, by: 256 * workers) {
            let piece = scope.files[start..<min(start + 256 * workers, scope.files.count)]
            let parts = stride(from: piece.startIndex, to: piece.endIndex, by: 256).map { piece[$0..<min($0 + 256, piece.endIndex)] }
            found += try await withThrowingTaskGroup(of: (Int, [SearchMatch]).self) { group in
                for part in parts {
                    group.addTask { (part.startIndex, try await offPool { try part.flatMap { try look(into: $0, deadline) } }) }
                }
                var results: [(Int, [SearchMatch])] = []
                for try await result in group { results.append(result) }
                return results.sorted { $0.0 < $1.0 }.flatMap(\.1)
            }
            if found.count > query.maxResults { break }
        }
        return found
    }

    private func look(into path: String, _ deadline: ContinuousClock.Instant) throws -> [SearchMatch] {
        guard ContinuousClock.now < deadline else { throw SearchQuery.tooSlow }
        guard let file = try? scope.open(path), file.status.st_size <= off_t(Self.sizeLimit),
            let data = try? file.descriptor.read(limit: Self.sizeLimit), !data.prefix(8_192).contains(0)
        else { return [] }
        if query.isFixed, query.isCaseSensitive, data.range(of: Data(query.pattern.utf8)) == nil { return [] }
        var found: [SearchMatch] = []
        for (index, bytes) in data.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            guard let line = String(validating: bytes, as: UTF8.self) else { continue }
            if try query.isIn(line, until: deadline) {
                found.append(SearchMatch(path: path, line: index + 1, text: Self.shown(line)))
                if found.count > query.maxResults { break }
            }
        }
        return found
    }

    /// A line as it is answered: without its end, cut where it is long.
    static func shown(_ line: String) -> String {
        let text = line.last?.isNewline == true ? line.dropLast() : line[...]
        return text.count > lineLimit ? String(text.prefix(lineLimit)) + "…" : String(text)
    }
}
