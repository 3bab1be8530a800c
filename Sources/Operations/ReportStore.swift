import Foundation
import Suite
import SystemPackage

/// Keeps reports below `DATA_DIR/reports`, newest last, as Markdown, JSON and JUnit; the oldest go when there are too many.
public struct ReportStore: Sendable {
    /// Reports that are kept.
    public static let limit = 50
    private let folder: FilePath

    public init(_ folders: DataFolders) { folder = folders.reports }

    /// Writes a report; each file is complete or not there.
    ///
    /// - Returns: the folder it lies in.
    /// - Throws: the file system's error.
    public func save(_ report: Report, name: String) throws -> FilePath {
        let stamp = report.started.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let own = try makeFolder("\(name)-\(stamp)")
        let files = [
            ("report.md", Data(report.markdown().utf8)), ("report.json", try report.json()), ("junit.xml", Data(report.junit().utf8)),
        ]
        for (file, data) in files { try data.write(to: URL(filePath: own.appending(file).string), options: .atomic) }
        try prune(name)
        return own
    }

    /// A folder of its own for each run, also for those that begin in the same second.
    private func makeFolder(_ name: String) throws -> FilePath {
        for number in 1... {
            let path = folder.appending(number == 1 ? name : "\(name)-\(number)")
            guard mkdir(path.string, 0o700) != 0 else { return path }
            guard errno == EEXIST else { throw Errno(rawValue: errno) }
        }
        preconditionFailure("there is no end of numbers")
    }

    private func prune(_ name: String) throws {
        let own = try FileManager.default.contentsOfDirectory(atPath: folder.string).filter { $0.hasPrefix(name + "-") }.sorted()
        for old in own.dropLast(Self.limit) { try FileManager.default.removeItem(atPath: folder.appending(old).string) }
    }
}
