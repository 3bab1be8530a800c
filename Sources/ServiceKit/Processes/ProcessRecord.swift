import Foundation
import SystemPackage

/// A file that remembers a child process, so that what a crash left behind is found and ended by the next start.
public struct ProcessRecord: Sendable {
    public let path: FilePath

    /// - Parameter name: the child's name; the file is `NAME.pid` in the folder.
    public init(_ name: String, in folder: FilePath) { path = folder.appending("\(name).pid") }

    /// Every record in a folder.
    public static func all(in folder: FilePath) -> [ProcessRecord] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? []
        return files.filter { $0.hasSuffix(".pid") }.sorted().map { ProcessRecord(String($0.dropLast(4)), in: folder) }
    }

    /// The recorded process, dead or alive: pid and start time, separated by a space.
    public var identity: ProcessIdentity? {
        guard let text = try? String(contentsOfFile: path.string, encoding: .utf8) else { return nil }
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 2, let pid = Int32(parts[0]), let started = UInt64(parts[1]), let living = ProcessIdentity(pid: pid) else {
            return nil
        }
        return living.started == started ? living : nil
    }

    public func write(_ identity: ProcessIdentity) throws {
        try "\(identity.pid) \(identity.started)\n".write(toFile: path.string, atomically: true, encoding: .utf8)
    }

    /// Ends the recorded process if it still lives, and forgets it.
    ///
    /// - Returns: whether there was one to end.
    @discardableResult
    public func endLeftover(within grace: Duration = .seconds(5)) async -> Bool {
        let leftover = identity
        await leftover?.end(within: grace)
        remove()
        return leftover != nil
    }

    public func remove() { try? FileManager.default.removeItem(atPath: path.string) }
}
