import Foundation
import NIOCore
import NIOPosix

/// What a program in the sandbox must not reach: a file and a port of this machine, both really there.
struct Bait: Sendable {
    let file: String
    let port: Int

    /// Lays it out while some work is done.
    ///
    /// - Throws: the system's error; whatever the work throws.
    static func with<Value: Sendable>(_ work: (Bait) async throws -> Value) async throws -> Value {
        let file = FileManager.default.temporaryDirectory.appending(path: "maru-bait-\(UUID().uuidString)").path
        try Data("reached".utf8).write(to: URL(filePath: file))
        defer { try? FileManager.default.removeItem(atPath: file) }
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0).get()
        defer { listener.close(promise: nil) }
        return try await work(Bait(file: file, port: listener.localAddress?.port ?? 0))
    }
}
