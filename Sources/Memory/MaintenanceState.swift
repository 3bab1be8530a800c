import Foundation
import ServiceKit
import Suite
import SystemPackage

/// What the maintainer remembers from one life to the next, in `DATA_DIR/memory/maintainer.json`: so that what was missed while it did not
/// run is made up for.
struct MaintenanceState: Sendable, Codable, Equatable {
    /// The last run of a job.
    struct Run: Sendable, Codable, Equatable {
        let beganAt: Date
        var endedAt: Date?
        /// When it last did all of its work.
        var succeededAt: Date?
        /// Runs in a row that did not.
        var failures = 0
        /// What it did, or why it could not.
        var detail = ""
        /// Of the run for all projects that this one repeats in part; this one, when it is for all.
        private var roundAt: Date?
        /// The projects for which it could not be done, which it is repeated for; `nil`: for all.
        var left: [String]?

        private enum CodingKeys: String, CodingKey {
            case failures, detail, left
            case roundAt = "round_at"
            case beganAt = "began_at"
            case endedAt = "ended_at"
            case succeededAt = "succeeded_at"
        }

        /// A run that begins now.
        ///
        /// - Parameter isRepetition: whether it is for what the run before left.
        init(at moment: Date, after before: Run?, isRepetition: Bool = false) {
            beganAt = moment
            roundAt = isRepetition ? before?.roundAt : moment
            succeededAt = before?.succeededAt
            failures = before?.failures ?? 0
        }

        /// When it last began for all projects. A file of an earlier version has nothing of rounds.
        var roundBeganAt: Date { min(roundAt ?? beganAt, beganAt) }

        mutating func end(at moment: Date, _ outcome: Result<String, any Error>) {
            endedAt = moment
            switch outcome {
            case .success(let text):
                (succeededAt, failures, detail) = (moment, 0, text)
            case .failure(let error):
                failures += 1
                detail = String("\(error)".prefix(1_000))
            }
        }
    }

    var jobs: [MaintenanceSchedule.Job: Run] = [:]

    private static func file(_ folders: DataFolders) -> FilePath { folders.memory.appending("maintainer.json") }

    /// What was written last; nothing where that cannot be read, so that everything is due. Blocks.
    static func read(in folders: DataFolders) -> MaintenanceState {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return (try? Data(contentsOf: URL(filePath: file(folders).string))).flatMap { try? decoder.decode(Self.self, from: $0) }
            ?? MaintenanceState()
    }

    /// Blocks.
    func write(in folders: DataFolders) throws {
        let encoder = JSONEncoder.sorted
        encoder.dateEncodingStrategy = .iso8601
        try encoder.encode(self).write(to: URL(filePath: Self.file(folders).string), options: .atomic)
    }
}
