import Logging
import ServiceLifecycle
import Suite
import Synchronization
import TestSupport
import Testing

@testable import ServiceKit

@Suite("The life of a process")
struct ProcessLifeTests {
    /// A service that holds a key, and is done as soon as it runs.
    private struct Holder: Service {
        let key: String

        func run() async throws {}
    }

    private struct Notes: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        final class Lines: Sendable {
            let all = Mutex<[String]>([])
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.all.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }

    @Test("The log names the services that live in a process, and nothing that they hold", .timeLimit(.minutes(1)))
    func namesAlone() async throws {
        try await withScratchFolder { folder in
            let lines = Notes.Lines()
            let logger = Logger(label: "test") { _ in Notes(lines: lines) }
            try await ProcessLife.run(try await Settings.test(folder: folder), logger: logger) { [Holder(key: "canary")] }
            let told = lines.all.withLock { $0.joined(separator: "\n") }
            #expect(told.contains("Holder") && !told.contains("canary"))
        }
    }

    @Test("Settings that are written out say nothing of their values")
    func settings() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["QDRANT_API_KEY": "canary"], folder: folder)
            struct Holder { let settings: Settings }
            #expect(!"\(Holder(settings: settings)) \(settings) \(String(reflecting: settings))".contains("canary"))
        }
    }
}
