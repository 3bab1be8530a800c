import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import ServiceKit
import Suite
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Inference

/// Serves a file over HTTP with ranges, and cuts the connection as often as it is told.
private final class CuttingServer: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    let file: [UInt8]
    let cuts: Mutex<Int>
    let ranges = Mutex<[String]>([])

    init(file: [UInt8], cuts: Int) {
        self.file = file
        self.cuts = Mutex(cuts)
    }

    func health() async -> Health { Health() }

    var routes: [Route] {
        [
            Route(.get, "/file", "The file.") { [self] request, _ in
                let range = request.headers[.range]
                ranges.withLock { $0.append(range ?? "") }
                let start = range.flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
                let isCut = cuts.withLock { cuts in
                    defer { cuts -= 1 }
                    return cuts > 0
                }
                let rest = Array(file[start...])
                return Response(
                    status: range == nil ? .ok : .partialContent, headers: [.contentLength: String(rest.count)],
                    body: ResponseBody(contentLength: rest.count) { writer in
                        try await writer.write(ByteBuffer(bytes: isCut ? Array(rest.prefix(rest.count / 3)) : rest))
                        if isCut { throw CancellationError() }
                        try await writer.finish(nil)
                    })
            }
        ]
    }
}

@Suite("Downloads")
struct DownloaderTests {
    private func model(size: Int, sha256: String? = nil, at port: Int) -> CatalogueModel {
        CatalogueModel(
            name: "m", file: "m.gguf", size: Int64(size), sha256: sha256, licence: "", roles: [.chat],
            shape: ModelShape(
                size: 4_096, layers: 1, keyValueWidth: 1, width: 1, feedForward: 1, vocabulary: 1, trainedContext: 1, input: 1),
            sources: [.url("http://127.0.0.1:\(port)/file")])
    }

    @Test("A download goes on where the connection was cut, and the bytes are right")
    func resume() async throws {
        let file = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let server = CuttingServer(file: file, cuts: 2)
        try await withScratchFolder { folder in
            try await withRunning(server, settings: try await Settings.test(folder: folder)) { client in
                let part = folder.appending("x.part")
                let downloader = Downloader(retry: RetryPolicy(attempts: 5, firstWait: .milliseconds(1)))
                try await downloader.download("http://127.0.0.1:\(try #require(client.port))/file", to: part)
                #expect(try Data(contentsOf: URL(filePath: part.string)) == Data(file))
            }
        }
        let ranges = server.ranges.withLock { $0 }
        #expect(ranges.count == 3)
        #expect(ranges.first == "" && ranges.dropFirst().allSatisfy { $0.hasPrefix("bytes=") })
    }

    @Test("A file of another size is not the model, also where no checksum is pinned")
    func wrongSize() async throws {
        let whole = [UInt8](GGUFHeaderTests.file())
        let server = CuttingServer(file: whole, cuts: 0)
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(server, settings: settings) { client in
                let port = try #require(client.port)
                let pull = ModelPull(store: ModelStore(settings: settings))
                let error = await #expect(throws: ModelUnavailable.self) { try await pull.fetch(model(size: whole.count + 1, at: port)) }
                #expect(error?.description.contains("bytes instead of") == true)
                #expect(try await pull.fetch(model(size: whole.count, at: port)).lastComponent == "m.gguf")
            }
        }
    }

    @Test("Of several that fetch one model at once one downloads it, and all have it")
    func severalAtOnce() async throws {
        let whole = [UInt8](GGUFHeaderTests.file())
        let server = CuttingServer(file: whole, cuts: 0)
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(server, settings: settings) { client in
                let model = model(size: whole.count, at: try #require(client.port))
                let files = try await withThrowingTaskGroup { group in
                    for _ in 0..<4 { group.addTask { try await ModelPull(store: ModelStore(settings: settings)).fetch(model) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(files.map(\.lastComponent) == Array(repeating: "m.gguf", count: 4))
            }
        }
        #expect(server.ranges.withLock { $0 } == [""])
    }

    @Test("Bytes that are not the model are refused, thrown away, and said so")
    func wrongBytes() async throws {
        let server = CuttingServer(file: Array(repeating: 7, count: 4_096), cuts: 0)
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(server, settings: settings) { client in
                let model = model(size: 4_096, sha256: String(repeating: "0", count: 64), at: try #require(client.port))
                let error = await #expect(throws: ModelUnavailable.self) {
                    try await ModelPull(store: ModelStore(settings: settings)).fetch(model)
                }
                #expect(error?.description.contains("not the model") == true)
                #expect(try FileManager.default.contentsOfDirectory(atPath: settings.modelsFolder.string) == [])
            }
        }
    }
}
