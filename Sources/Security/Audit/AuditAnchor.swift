import Crypto
import Foundation
import ServiceKit
import Suite
import SystemPackage

/// Remembers outside the database how far the audit log had come, signed with a key that the database does not hold: who can write the
/// database alone can neither cut off the log's end nor write a new one unnoticed.
///
/// Kept after a commit, once a second at the most, so it is never ahead of the log: what was written since cannot be told from a cut.
actor AuditAnchor {
    struct Mark: Codable, Sendable {
        let last_id: Int64
        let hash: String
        let signature: String
    }

    private let executor = BlockingExecutor("audit anchor")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let path: FilePath
    private let key: SymmetricKey
    private var kept: ContinuousClock.Instant?

    init(_ folders: DataFolders) throws {
        path = folders.secrets.appending("audit.anchor")
        key = SymmetricKey(data: Data(try KeyFile.audit(folders).readOrCreate().utf8))
    }

    func keep(_ head: AuditHead) {
        let now = ContinuousClock.now
        if let kept, kept.duration(to: now) < .seconds(1) { return }
        kept = now
        let hash = Array(head.hash).hex
        let mark = Mark(last_id: head.lastID, hash: hash, signature: signature(head.lastID, hash))
        // A mark that could not be kept leaves the older one, which is weaker and true.
        guard let data = try? JSONEncoder.sorted.encode(mark) else { return }
        try? data.write(to: URL(filePath: path.string), options: .atomic)
        chmod(path.string, 0o600)
    }

    /// What was kept last; `nil` where nothing was.
    ///
    /// - Throws: ``AuditProblem`` when it is not what this class signed.
    func mark() throws -> Mark? {
        guard let data = FileManager.default.contents(atPath: path.string) else { return nil }
        guard let mark = try? JSONDecoder().decode(Mark.self, from: data), mark.signature == signature(mark.last_id, mark.hash) else {
            throw AuditProblem(record: nil, what: "the anchor \(path) is not what this stack signed")
        }
        return mark
    }

    private func signature(_ id: Int64, _ hash: String) -> String {
        Array(HMAC<SHA256>.authenticationCode(for: Data("\(id)\n\(hash)".utf8), using: key)).hex
    }
}

/// Where the audit log is not whole, and how.
public struct AuditProblem: Error, Sendable, CustomStringConvertible {
    /// The first record that is not right.
    public let record: Int64?
    public let what: String

    public var description: String { (record.map { "record \($0): " } ?? "") + what }
}
