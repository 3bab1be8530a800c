import Foundation
import ServiceKit
import Suite
import SystemPackage

/// What the supervisor tells of itself, in `DATA_DIR/run/supervisor.json`; replaced whole at every change.
public struct SupervisorState: Codable, Sendable {
    /// One service as the supervisor sees it.
    public struct Child: Codable, Sendable, Equatable {
        /// `alive` answers, but cannot do its work yet.
        public enum Phase: String, Codable, Sendable { case waiting, starting, alive, ready, backingOff = "backing off", stopped }

        public let service: ServiceID
        public var phase: Phase
        public var process: ProcessIdentity?
        public var restarts: Int
        /// Lives in a row that ended too soon.
        public var failures: Int
        /// When the current process began.
        public var since: Date
        /// Why it last ended, or what it waits for.
        public var reason: String?
    }

    public var supervisor: ProcessIdentity
    public var version: String
    public var commit: String
    public var children: [Child]

    static func file(_ folders: DataFolders) -> FilePath { folders.run.appending("supervisor.json") }

    /// The state of the supervisor that runs now; `nil` when none does.
    public static func current(_ folders: DataFolders) -> SupervisorState? {
        guard let data = try? Data(contentsOf: URL(filePath: file(folders).string)),
            let state = try? JSONDecoder().decode(SupervisorState.self, from: data), state.supervisor.isAlive
        else { return nil }
        return state
    }

    func write(_ folders: DataFolders) throws {
        try JSONEncoder.sorted.encode(self).write(to: URL(filePath: Self.file(folders).string), options: .atomic)
    }
}

extension ProcessRecord {
    /// The supervisor itself, for when its state cannot be read.
    static func supervisor(_ folders: DataFolders) -> ProcessRecord { ProcessRecord("supervisor", in: folders.run) }
}
