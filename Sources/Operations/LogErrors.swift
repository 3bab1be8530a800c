import Foundation
import ServiceKit
import Suite
import Supervision
import SystemPackage

/// F09: what went wrong in the last ten minutes, as the services' logs and their supervisor tell it.
enum LogErrors {
    private static let period: TimeInterval = 600

    static func command(_ folders: DataFolders) -> String {
        #"cat \#(folders.logs)/*.log.1 \#(folders.logs)/*.log 2>/dev/null | awk -v since="$(date -u -d '-10 minutes' +%FT%T)" 'match($0, /"timestamp":"[^"]*"/) { at = substr($0, RSTART + 13, 19) } at >= since && (/"level":"(error|critical)"/ || /Fatal error/)'; maru status"#
    }

    /// A line, or a restart, with its moment in ISO 8601 format.
    private struct Event: Sendable {
        let moment: String
        let text: String
    }

    static func judge(_ context: CheckContext) async throws -> Finding {
        let begin = Date.now.addingTimeInterval(-period)
        let folders = context.settings.dataFolders
        let logs = try await offPool { try read(folders.logs, since: stamp(begin)) }
        guard let logs else { return .skip("there are no logs yet") }
        let restarts = try await offPool { SupervisorState.current(folders)?.children ?? [] }
            .filter { ($0.restarts > 0 || $0.failures > 0) && $0.since >= begin }
            .map { Event(moment: stamp($0.since), text: "\($0.service) was restarted" + ($0.reason.map { ": \($0)" } ?? "")) }
        let found = (logs.errors + restarts).sorted { $0.moment < $1.moment }.map { "\($0.moment) \($0.text)" }
        if let latest = found.last {
            return Finding(.warn, value: "\(found.count)", reason: "latest: \(latest)", evidence: found.suffix(50).joined(separator: "\n"))
        }
        guard logs.lines > 0 else {
            return Finding(.inconclusive, reason: "nothing was logged in the last 10 minutes, so nothing shows that errors would be")
        }
        return Finding(.pass, value: "0", evidence: "\(logs.lines) lines in the last 10 minutes")
    }

    private static func stamp(_ moment: Date) -> String {
        moment.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    /// Reads every log's end.
    ///
    /// - Returns: how many lines were written since a moment, and the bad ones among them; `nil` when there are no logs.
    private static func read(_ folder: FilePath, since: String) throws -> (lines: Int, errors: [Event])? {
        guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder.string) else { return nil }
        var lines = 0
        var errors: [Event] = []
        for file in files where file.hasSuffix(".log") {
            let current = try recent(folder.appending(file), since: since)
            lines += current.lines
            errors += current.errors.map { Event(moment: $0.moment, text: "\(file): \($0.text)") }
            // A log that was set aside a moment ago holds the rest of the period.
            guard !current.reachesBack else { continue }
            let earlier = try recent(folder.appending(file + ".1"), since: since)
            lines += earlier.lines
            errors += earlier.errors.map { Event(moment: $0.moment, text: "\(file).1: \($0.text)") }
        }
        return (lines, errors)
    }

    private struct Recent {
        var lines = 0
        var errors: [Event] = []
        /// Whether something older than the period was seen.
        var reachesBack = false
    }

    /// Reads a log from its end, more and more of it until the period is covered.
    private static func recent(_ path: FilePath, since: String) throws -> Recent {
        guard let handle = FileHandle(forReadingAtPath: path.string) else { return Recent() }
        defer { try? handle.close() }
        let size = try handle.seekToEnd()
        let written = (try FileManager.default.attributesOfItem(atPath: path.string)[.modificationDate] as? Date).map(stamp) ?? since
        var length: UInt64 = 1 << 20
        while true {
            let start = size > length ? size - length : 0
            try handle.seek(toOffset: start)
            let found = scan(try handle.readToEnd() ?? Data(), since: since, written: written)
            if found.reachesBack || start == 0 { return found }
            length *= 2
        }
    }

    /// Goes through lines from the last to the first. What is not JSON, such as a crash's last words, has no moment of its own: it was
    /// written before the line after it.
    private static func scan(_ data: Data, since: String, written: String) -> Recent {
        struct Line: Decodable {
            let timestamp: String
            let level: String
            let message: String
        }
        var recent = Recent()
        var moment = written
        for raw in data.split(separator: UInt8(ascii: "\n")).reversed() {
            let line = try? JSONDecoder().decode(Line.self, from: raw)
            if let line { moment = line.timestamp }
            guard moment >= since else {
                recent.reachesBack = true
                return recent
            }
            recent.lines += 1
            if let line, ["error", "critical"].contains(line.level) {
                recent.errors.append(Event(moment: moment, text: line.message))
            } else {
                let text = String(decoding: raw, as: UTF8.self)
                if text.contains("Fatal error") { recent.errors.append(Event(moment: moment, text: String(text.prefix(500)))) }
            }
        }
        return recent
    }
}
