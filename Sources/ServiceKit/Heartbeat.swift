import Foundation
import Suite
import SystemPackage

/// How a service that listens nowhere says that it lives: a file in `DATA_DIR/run` that it writes anew every few seconds.
public struct Heartbeat: Sendable, Codable, Equatable {
    public let service: ServiceID
    public let pid: Int32
    public let version: String
    /// When the process began.
    public let startedAt: Date
    /// When it wrote this.
    public let at: Date
    /// Why it cannot do its work, although it lives; `nil` when it can.
    public let problem: String?

    /// Between two beats.
    public static let interval = Duration.seconds(5)

    private enum CodingKeys: String, CodingKey {
        case service, pid, version, problem
        case startedAt = "started_at"
        case at = "heartbeat_at"
    }

    public init(_ service: ServiceID, pid: Int32, startedAt: Date, at: Date, problem: String? = nil) {
        (self.service, self.pid, self.startedAt, self.at, self.problem) = (service, pid, startedAt, at, problem)
        version = BuildInfo.version
    }

    /// Where a service's heartbeat is.
    public static func file(of service: ServiceID, in folders: DataFolders) -> FilePath {
        folders.run.appending("\(service).heartbeat.json")
    }

    /// The last beat of a service; `nil` when there was none, or it cannot be read. Blocks for as long as a small file takes.
    public static func last(of service: ServiceID, in folders: DataFolders) -> Heartbeat? {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return (try? Data(contentsOf: URL(filePath: file(of: service, in: folders).string)))
            .flatMap { try? decoder.decode(Heartbeat.self, from: $0) }
    }

    /// Takes the place of the beat before. Blocks.
    public func write(in folders: DataFolders) throws {
        let encoder = JSONEncoder.sorted
        encoder.dateEncodingStrategy = .iso8601
        try encoder.encode(self).write(to: URL(filePath: Self.file(of: service, in: folders).string), options: .atomic)
    }

    /// Seconds since it was written.
    public func age(at moment: Date = .now) -> TimeInterval { max(0, moment.timeIntervalSince(at)) }

    /// Whether the service lives: its beat is younger than two intervals, and one more for a machine that is busy.
    public func isFresh(at moment: Date = .now) -> Bool { age(at: moment) <= 3 * Self.interval.seconds }
}
