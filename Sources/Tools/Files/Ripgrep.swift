import Foundation
import ServiceKit
import SystemPackage

/// Has ripgrep look into files. It is given files by name and no folder, so it decides nothing; it reads no configuration of anybody's, and
/// the pattern stands behind an option of its own, so it cannot be taken for one.
struct Ripgrep: Sendable {
    static let isInstalled = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .contains { FileManager.default.isExecutableFile(atPath: $0 + "/rg") }
    /// Bytes of names that one process is given.
    private static let batchBytes = 96 << 10

    let query: SearchQuery
    let scope: SearchScope

    /// In the order of files, one more than asked for if there are more.
    ///
    /// - Throws: 504 when the time is over, 422 for a pattern that ripgrep does not take.
    func matches(until deadline: ContinuousClock.Instant) async throws -> [SearchMatch] {
        let workers = max(2, ProcessInfo.processInfo.activeProcessorCount)
        var batches = batches()[...]
        var found: [SearchMatch] = []
        while !batches.isEmpty, found.count <= query.maxResults {
            let round = batches.prefix(workers)
            batches = batches.dropFirst(workers)
            found += try await withThrowingTaskGroup(of: (Int, [SearchMatch]).self) { group in
                for (index, batch) in zip(round.indices, round) { group.addTask { (index, try await look(into: batch, deadline)) } }
                var results: [(Int, [SearchMatch])] = []
                for try await result in group { results.append(result) }
                return results.sorted { $0.0 < $1.0 }.flatMap(\.1)
            }
        }
        return found
    }

    private func batches() -> [[String]] {
        var batches: [[String]] = []
        var bytes = Self.batchBytes
        for file in scope.files {
            if bytes + file.utf8.count > Self.batchBytes {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(file)
            bytes += file.utf8.count + 8
        }
        return batches
    }

    private func look(into files: [String], _ deadline: ContinuousClock.Instant) async throws -> [SearchMatch] {
        var arguments = [
            "--no-config", "--json", "--no-messages", "--no-ignore", "--no-mmap", "--threads", "1", "--max-filesize", "8M", "--max-count",
            "\(query.maxResults + 1)", "--regex-size-limit", "16M", "--dfa-size-limit", "64M",
        ]
        if query.isFixed { arguments.append("--fixed-strings") }
        arguments.append(query.isCaseSensitive ? "--case-sensitive" : "--ignore-case")
        arguments += ["--regexp=" + query.pattern, "--"] + files
        let left = deadline - .now
        guard left > .zero else { throw SearchQuery.tooSlow }
        let program = BoundedProgram(
            name: "rg", environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "LC_ALL": "C.UTF-8"],
            outputLimit: 16 << 20,
            timeLimit: left)
        let output = try await program.run(arguments, in: scope.root)
        // 1 is “nothing found”; 2 may also be that some file could not be read.
        guard output.status != 2 || !output.out.isEmpty else {
            throw ServiceError.invalid("The pattern is not taken: \(output.errText.prefix(300))", parameter: "pattern")
        }
        return try await offPool { verified(output.out) }
    }

    /// What ripgrep found and the workspace lets read: each line is read again, through a descriptor that was judged.
    private func verified(_ output: Data) -> [SearchMatch] {
        var found: [SearchMatch] = []
        var open: (path: String, file: OpenedPlace?) = ("", nil)
        for line in output.split(separator: 0x0A) {
            guard let event = try? JSONDecoder().decode(Event.self, from: line), event.type == "match", let path = event.data.path?.text,
                let text = event.data.lines?.text, let number = event.data.line_number, let offset = event.data.absolute_offset,
                !text.contains("\0")
            else { continue }
            if open.path != path { open = (path, try? scope.open(path)) }
            let bytes = Data(text.utf8)
            guard let file = open.file, (try? file.descriptor.read(at: off_t(offset), count: bytes.count)) == bytes else { continue }
            found.append(SearchMatch(path: path, line: number, text: LineSearch.shown(text)))
            if found.count > query.maxResults { break }
        }
        return found
    }

    private struct Event: Decodable {
        struct Text: Decodable { let text: String? }
        struct Detail: Decodable {
            let path: Text?
            let lines: Text?
            let line_number: Int?
            let absolute_offset: Int64?
        }
        let type: String
        let data: Detail
    }
}
