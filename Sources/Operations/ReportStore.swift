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
        let own = folder.appending("\(name)-\(stamp)")
        try FileManager.default.createDirectory(
            atPath: own.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let files = [
            ("report.md", Data(report.markdown().utf8)), ("report.json", try report.json()), ("junit.xml", Data(report.junit().utf8)),
        ]
        for (file, data) in files { try data.write(to: URL(filePath: own.appending(file).string), options: .atomic) }
        try prune(name)
        return own
    }

    private func prune(_ name: String) throws {
        let own = try FileManager.default.contentsOfDirectory(atPath: folder.string).filter { $0.hasPrefix(name + "-") }.sorted()
        for old in own.dropLast(Self.limit) { try FileManager.default.removeItem(atPath: folder.appending(old).string) }
    }
}
