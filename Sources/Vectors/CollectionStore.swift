import Crypto
import Foundation
import HTTPTypes
import Logging
import ServiceKit
import SystemPackage

/// All collections below `DATA_DIR/vectors`, each in a folder of its own. One that cannot be opened is reported and holds up no other.
actor CollectionStore {
    private let executor = BlockingExecutor("vectors.store")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let folder: FilePath
    private let logger: Logger
    private var open: [String: Collection] = [:]
    private(set) var broken: [String: String] = [:]

    init(folder: FilePath, logger: Logger) {
        self.folder = folder
        self.logger = logger
    }

    /// Opens what is there.
    func load() throws {
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for entry in try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() {
            guard !entry.hasPrefix(Self.unfinished) else {
                // Half made or half removed when the process ended; nobody was told that it is there.
                try FileManager.default.removeItem(atPath: folder.appending(entry).string)
                continue
            }
            let name = entry.removingPercentEncoding ?? entry
            do {
                let collection = try Collection(name: name, folder: folder.appending(entry))
                try collection.buildGraphIfWorthwhile()
                open[name] = collection
            } catch {
                broken[name] = "\(error)"
                logger.error("a collection cannot be opened", metadata: ["collection": "\(name)", "cause": "\(error)"])
            }
        }
    }

    var names: [String] { open.keys.sorted() }

    /// Whether there is such a collection, whole or damaged.
    func has(_ name: String) -> Bool { open[name] != nil || broken[name] != nil }

    /// - Throws: 404 as Qdrant words it; 503 for one that is damaged.
    func collection(_ name: String) throws -> Collection {
        if let found = open[name] { return found }
        if let reason = broken[name] {
            throw ServiceError(.serviceUnavailable, code: "damaged_collection", "Collection `\(name)` cannot be opened: \(reason)")
        }
        throw Self.notFound(name)
    }

    /// As Qdrant words it.
    static func notFound(_ name: String) -> ServiceError {
        .notFound("Not found: Collection `\(name)` doesn't exist!", code: "collection_not_found")
    }

    /// - Throws: 409 when there is one of this name, 400 for a name that cannot be one.
    func create(_ name: String, _ config: CollectionConfig) throws {
        try Self.check(name)
        guard open[name] == nil, broken[name] == nil else {
            throw ServiceError.conflict("Wrong input: Collection `\(name)` already exists!", code: "collection_exists")
        }
        // Made whole under another name, then put in place: a crash leaves a collection or none.
        let draft = draftPath()
        do {
            try Collection(name: name, folder: draft, creating: config).close()
            try Self.move(draft, to: path(name))
        } catch {
            try? FileManager.default.removeItem(atPath: draft.string)
            throw error
        }
        open[name] = try Collection(name: name, folder: path(name))
    }

    /// Begins the names of what is not yet, or no longer, a collection.
    private static let unfinished = "."

    /// A place for what is not finished.
    func draftPath() -> FilePath { folder.appending(Self.unfinished + UUID().uuidString) }

    private static func move(_ source: FilePath, to target: FilePath) throws {
        guard rename(source.string, target.string) == 0 else { throw Errno(rawValue: errno) }
    }

    /// - Returns: whether there was one.
    func delete(_ name: String) throws -> Bool {
        guard let collection = open.removeValue(forKey: name) else {
            guard broken.removeValue(forKey: name) != nil else { return false }
            try discard(path(name))
            return true
        }
        try collection.close()
        try discard(collection.folder)
        return true
    }

    /// Removes a folder in one step, as far as the next start can see.
    private func discard(_ folder: FilePath) throws {
        let gone = draftPath()
        try Self.move(folder, to: gone)
        try FileManager.default.removeItem(atPath: gone.string)
    }

    // MARK: Snapshots

    func snapshotFolder(_ name: String) throws -> FilePath {
        let path = try collection(name).folder.appending("snapshots")
        try FileManager.default.createDirectory(
            atPath: path.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    /// Puts a snapshot in the place of a collection, or makes the collection. Checksum and integrity are proved before anything is touched.
    ///
    /// - Throws: 400 when the file is not what it should be.
    func recover(_ name: String, from file: FilePath, checksum: String?) throws {
        try Self.check(name)
        if let checksum {
            let found = SHA256.hash(data: try Data(contentsOf: URL(filePath: file.string), options: .mappedIfSafe)).hex
            guard found == checksum.lowercased() else {
                throw ServiceError.badRequest(
                    "The snapshot's SHA-256 is \(found), not \(checksum). Nothing was changed.", code: "wrong_checksum")
            }
        }
        let draft = draftPath()
        defer { try? FileManager.default.removeItem(atPath: draft.string) }
        try FileManager.default.createDirectory(
            atPath: draft.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try FileManager.default.copyItem(atPath: file.string, toPath: draft.appending("points.sqlite").string)
        do {
            try Collection(name: name, folder: draft).checkAndClose()
        } catch {
            throw ServiceError.badRequest(
                "The file is no snapshot of a collection: \(error). Nothing was changed.", code: "invalid_snapshot")
        }
        let target = open[name]?.folder ?? path(name)
        try open.removeValue(forKey: name)?.close()
        // Snapshots that were made stay with the collection.
        for file in ["points.sqlite-wal", "points.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: target.appending(file).string)
        }
        try FileManager.default.createDirectory(
            atPath: target.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try Self.move(draft.appending("points.sqlite"), to: target.appending("points.sqlite"))
        let collection = try Collection(name: name, folder: target)
        try collection.buildGraphIfWorthwhile()
        open[name] = collection
        broken[name] = nil
    }

    private func path(_ name: String) -> FilePath {
        folder.appending(name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-_"))) ?? "_")
    }

    private static func check(_ name: String) throws {
        guard (1...200).contains(name.utf8.count), !name.hasPrefix("."), !name.contains("/"),
            name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }), !name.contains("..")
        else {
            throw ServiceError.badRequest(
                "A collection's name has 1 to 200 bytes, no slash, no control characters, no “..”, and does not begin with a dot.",
                code: "invalid_name")
        }
    }
}

extension Collection {
    /// Proves that the database is whole, and lets go of it.
    fileprivate func checkAndClose() throws {
        try verifyIntegrity()
        try close()
    }
}
