import ArgumentParser
import Foundation
import Suite
import SystemPackage

/// `maru logs`.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show what the services log, in the order of time.")

    @Argument(help: ArgumentHelp("Services; all without one.", valueName: "name")) var names: [ServiceID] = []
    @Option(name: .shortAndLong, help: "Lines of each service.") var number = 100
    @Flag(name: .shortAndLong, help: "Go on as lines come; Ctrl-C ends.") var follow = false
    @Flag(help: "The lines as they are, JSON.") var raw = false
    @OptionGroup var given: SettingFlags

    func validate() throws {
        guard number >= 0 else { throw ValidationError("-n takes a number of lines, 0 or more.") }
    }

    func run() async throws {
        let folder = try await given.load().dataFolders.logs
        let wanted = names.isEmpty ? ServiceCatalogue.all.map(\.id.rawValue) + ["supervisor"] : names.map(\.rawValue)
        let files = wanted.map { folder.appending("\($0).log") }
        var offsets: [FilePath: UInt64] = [:]
        var lines: [String] = []
        for file in files {
            let (text, end) = Self.read(file, from: nil)
            lines += text.suffix(number)
            offsets[file] = end
        }
        show(lines)
        while follow {
            try await Task.sleep(for: .milliseconds(300))
            var news: [String] = []
            for file in files {
                let (text, end) = Self.read(file, from: offsets[file])
                news += text
                offsets[file] = end
            }
            show(news)
        }
    }

    private func show(_ lines: [String]) {
        let decoded = lines.map { ($0, LogLine($0)) }
        for (text, line) in decoded.sorted(by: { ($0.1?.timestamp ?? "") < ($1.1?.timestamp ?? "") }) {
            print(raw ? text : line?.text ?? text)
        }
        // Who follows through a pipe wants each line when it comes.
        fflush(nil)
    }

    /// The complete lines of a file from an offset on, or of its last megabyte; and where the next begin. A file that shrank was rotated.
    private static func read(_ file: FilePath, from offset: UInt64?) -> ([String], UInt64) {
        guard let handle = FileHandle(forReadingAtPath: file.string) else { return ([], 0) }
        defer { try? handle.close() }
        guard let size = try? handle.seekToEnd() else { return ([], 0) }
        let known = offset.map { $0 > size ? 0 : $0 }
        let start = known ?? (size > 1 << 20 ? size - (1 << 20) : 0)
        guard (try? handle.seek(toOffset: start)) != nil, let data = try? handle.readToEnd(),
            let last = data.lastIndex(of: UInt8(ascii: "\n"))
        else { return ([], start) }
        let lines = data[...last].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        return (lines, start + UInt64(last - data.startIndex) + 1)
    }
}

/// A line of a service's log, for people.
private struct LogLine {
    let timestamp: String
    let text: String

    init?(_ raw: String) {
        guard let fields = try? JSONDecoder().decode([String: String].self, from: Data(raw.utf8)), let time = fields["timestamp"] else {
            return nil
        }
        timestamp = time
        let rest = fields.filter { !["timestamp", "level", "service", "message"].contains($0.key) }.sorted { $0.key < $1.key }
        let clock = time.split(separator: "T").last.map { String($0.prefix(12)) } ?? time
        text =
            "\(clock) \((fields["level"] ?? "").uppercased()) \(fields["service"] ?? ""): \(fields["message"] ?? "")"
            + rest.map { "  \($0.key)=\($0.value)" }.joined()
    }
}
