import Crypto
import Foundation
import ServiceKit
import Suite
import SystemPackage

/// A model file that is there and whole.
public struct ModelFile: Sendable {
    /// The catalogue's name, or the file's without its ending.
    public let name: String
    public let path: FilePath
    public let header: GGUFHeader
    /// When the file was last changed, in seconds since 1970.
    public let created: Int
}

/// A model that cannot be used, and what to do.
public struct ModelUnavailable: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// The models below `MODELS_DIR`.
public struct ModelStore: Sendable {
    /// What is known of a file after looking at it.
    public struct Verification: Sendable {
        /// One line for people.
        public let summary: String
    }

    public let folder: FilePath
    let settings: Settings

    public init(settings: Settings) {
        self.settings = settings
        folder = settings.modelsFolder
    }

    /// The file name of the model for a role: the settings' choice, or the one suggested for this machine.
    public func chosen(for role: ModelRole) async -> (name: String, file: String) {
        let named =
            switch role {
            case .chat: settings[SettingKeys.chatModel]
            case .code: settings[SettingKeys.codeModel]
            case .embedding: settings[SettingKeys.embeddingModel]
            }
        if let known = ModelCatalogue.named(named) { return (known.name, known.file) }
        if !named.isEmpty { return (FilePath(named).stem ?? named, named) }
        let suggested = ModelCatalogue.suggested(for: role, on: await Machine.current())
        return (suggested.name, suggested.file)
    }

    /// Where the model for a role lies.
    ///
    /// - Throws: ``ModelUnavailable`` when it is not there, naming the command that fetches it.
    public func path(for role: ModelRole) async throws -> FilePath {
        let (name, file) = await chosen(for: role)
        return try path(of: name, file, for: role)
    }

    /// The model for a role, its structure checked.
    ///
    /// - Throws: ``ModelUnavailable`` when it is missing or damaged.
    public func file(for role: ModelRole) async throws -> ModelFile {
        let (name, file) = await chosen(for: role)
        return try await self.file(name, file, for: role)
    }

    /// A model of the catalogue, its structure checked.
    ///
    /// - Throws: ``ModelUnavailable`` when it is missing or damaged.
    public func file(_ model: CatalogueModel, for role: ModelRole) async throws -> ModelFile {
        try await file(model.name, model.file, for: role)
    }

    func file(_ name: String, _ file: String, for role: ModelRole) async throws -> ModelFile {
        let path = try path(of: name, file, for: role)
        let changed =
            (try FileManager.default.attributesOfItem(atPath: path.followingLinks.string)[.modificationDate] as? Date) ?? .distantPast
        return ModelFile(name: name, path: path, header: try await header(of: path), created: Int(changed.timeIntervalSince1970))
    }

    private func path(of name: String, _ file: String, for role: ModelRole) throws -> FilePath {
        let path = FilePath(file).isAbsolute ? FilePath(file) : folder.appending(file)
        guard FileManager.default.fileExists(atPath: path.string) else {
            throw ModelUnavailable(description: "The \(role.rawValue) model \(path) is missing. Fetch it with: maru models pull \(name)")
        }
        return path
    }

    /// Checks a file's structure, size and, where one is pinned, its SHA-256. A checksum that was found right is remembered until the
    /// file changes.
    ///
    /// - Throws: ``ModelUnavailable`` with what is wrong and how to mend it.
    public func verify(_ path: FilePath, full: Bool = false) async throws -> Verification {
        let header = try await header(of: path)
        let attributes = try FileManager.default.attributesOfItem(atPath: path.followingLinks.string)
        let size = (attributes[.size] as? NSNumber)?.int64Value ?? 0
        let known = ModelCatalogue.named(path.lastComponent?.string ?? "")
        let facts = "\(header.architecture), \(header.tensorCount) tensors, \(size) bytes"
        guard let known else { return Verification(summary: "\(facts); not in the catalogue, no checksum to compare") }
        guard size == known.size else {
            throw ModelUnavailable(
                description: "\(path) has \(size) bytes instead of \(known.size). Fetch it again with: maru models pull \(known.name)")
        }
        guard let expected = known.sha256 else { return Verification(summary: "\(facts); no checksum is pinned for \(known.name)") }
        let changed = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
        let stamp = VerifiedStamp(path: path, fingerprint: "\(expected) \(size) \(changed) \(attributes[.systemFileNumber] ?? "")")
        if !full, stamp.isCurrent { return Verification(summary: "\(facts), SHA-256 right (checked before)") }
        let found = try await SHA256.hex(ofFile: path)
        guard found == expected else {
            throw ModelUnavailable(
                description:
                    "\(path) has SHA-256 \(found) instead of \(expected). Fetch it again with: maru models remove \(known.name) && maru models pull \(known.name)"
            )
        }
        stamp.write()
        return Verification(summary: "\(facts), SHA-256 right")
    }

    private func header(of path: FilePath) async throws -> GGUFHeader {
        do {
            return try await GGUFHeader.read(path)
        } catch let error as DamagedModel {
            let name = ModelCatalogue.named(path.lastComponent?.string ?? "")?.name
            let advice = name.map { " Fetch it again with: maru models pull \($0)" } ?? ""
            throw ModelUnavailable(description: "\(path) is damaged: \(error).\(advice)")
        }
    }
}

/// Remembers beside a model that its checksum was found right.
private struct VerifiedStamp {
    let path: FilePath
    let fingerprint: String

    private var file: String { path.string + ".verified" }
    var isCurrent: Bool { (try? String(contentsOfFile: file, encoding: .utf8)) == fingerprint }

    // A stamp that cannot be written only costs the next check its time.
    func write() { try? fingerprint.write(toFile: file, atomically: true, encoding: .utf8) }
}

extension SHA256 {
    /// A file's SHA-256 in lower-case hex.
    static func hex(ofFile path: FilePath) async throws -> String {
        let handle = try FileHandle(forReadingFrom: URL(filePath: path.string))
        defer { try? handle.close() }
        var hash = SHA256()
        // In pieces, so that it ends soon when nobody wants it any more.
        while let next = try await offPool({ [hash] in try hash.updated(from: handle) }) { hash = next }
        return hash.finalize().hex
    }

    /// The hash with the next piece of a file in it; `nil` at the file's end.
    private func updated(from handle: FileHandle) throws -> SHA256? {
        guard let piece = try handle.read(upToCount: 16 << 20), !piece.isEmpty else { return nil }
        var next = self
        next.update(data: piece)
        return next
    }
}

extension FilePath {
    /// The file itself, where this is a link to it: what a link says of its size and time is the link's own.
    fileprivate var followingLinks: FilePath { FilePath(URL(filePath: string).resolvingSymlinksInPath().path(percentEncoded: false)) }
}
