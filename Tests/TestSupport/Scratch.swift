import Foundation
import Suite
import SystemPackage

/// A folder of a test's own, removed whatever happens.
public func withScratchFolder<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
    let folder = FilePath(NSTemporaryDirectory()).appending("maru-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    return try await body(folder)
}

extension Settings {
    /// Settings of a test: the given values over defaults, with `DATA_DIR` and `MODELS_DIR` in a scratch folder; the environment of
    /// the machine plays no part.
    public static func test(_ values: [String: String] = [:], folder: FilePath) async throws -> Settings {
        let own = ["DATA_DIR": folder.appending("data").string, "MODELS_DIR": folder.appending("models").string]
        return try await load(
            flags: own.merging(values) { _, given in given }, environment: ["HOME": folder.string], workingDirectory: folder.string)
    }
}
