import Foundation
import Suite
import SystemPackage

/// A secret key in a file of its own below `DATA_DIR/secrets`, readable by its owner alone.
public struct KeyFile: Sendable {
    /// Where the key lies.
    public let path: FilePath
    private let prefix: String

    /// The administrator's key, made by the first `up`. It stands in this file and nowhere else.
    public static func admin(_ folders: DataFolders) -> KeyFile {
        KeyFile(path: folders.secrets.appending("admin.key"), prefix: "maru_admin_")
    }

    /// The key with which services call one another.
    public static func service(_ folders: DataFolders) -> KeyFile {
        KeyFile(path: folders.secrets.appending("service.key"), prefix: "maru_service_")
    }

    /// What the anchor of the audit log is signed with.
    static func audit(_ folders: DataFolders) -> KeyFile { KeyFile(path: folders.secrets.appending("audit.key"), prefix: "maru_audit_") }

    /// The key, if there is one.
    ///
    /// - Throws: when the file is there and cannot be read.
    public func read() throws -> String? {
        guard FileManager.default.fileExists(atPath: path.string) else { return nil }
        let text = try String(contentsOfFile: path.string, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? nil : text
    }

    /// The key; made on first use, of 256 random bits. Of several processes that make it at once one wins, and all read its key.
    ///
    /// - Throws: ``UnusableKeyFile`` naming the file.
    public func readOrCreate() throws -> String {
        do {
            return try read() ?? create()
        } catch {
            throw UnusableKeyFile(description: "The key \(path) cannot be read or made: \(error.localizedDescription)")
        }
    }

    private func create() throws -> String {
        let folder = path.removingLastComponent()
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Written whole beside its place, then linked there: `link` fails where a file is, so nobody ever reads half a key.
        let draft = folder.appending(".\(UUID().uuidString)")
        let file = try FileDescriptor.open(
            draft, .writeOnly, options: [.create, .exclusiveCreate], permissions: [.ownerRead, .ownerWrite])
        defer { try? FileManager.default.removeItem(atPath: draft.string) }
        try file.closeAfter {
            _ = try file.writeAll(Data((prefix + Self.random() + "\n").utf8))
            guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        }
        do {
            try FileManager.default.linkItem(atPath: draft.string, toPath: path.string)
        } catch {
            guard try read() != nil else { throw error }
        }
        guard let key = try read() else { throw CocoaError(.fileReadCorruptFile, userInfo: [NSFilePathErrorKey: path.string]) }
        return key
    }

    private static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let digits = String(UInt64.random(in: .min ... .max, using: &generator), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

/// A key file that can neither be read nor made, and why.
public struct UnusableKeyFile: Error, CustomStringConvertible {
    public let description: String
}
