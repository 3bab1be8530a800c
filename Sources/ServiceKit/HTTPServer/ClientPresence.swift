import AsyncAlgorithms
import Hummingbird
import NIOCore

extension Request {
    /// Whether the connection stays after the answer, which it cannot once it was watched (``Route/shortBody``).
    @TaskLocal static var keepsConnection = false

    /// Runs work that is cancelled as soon as the client goes away. The connection closes after the answer. For a short body it is not watched.
    ///
    /// Works on requests that came over a socket (tests: `.live`), since a request made in process has no connection to watch.
    public func whileClientStays<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value {
        guard !Self.keepsConnection else { return try await work() }
        return try await body.consumeWithCancellationOnInboundClose { _ in try await work() }
    }

    /// A body whose parts are written as they come, and whose work is cancelled as soon as the client goes away.
    public func stream(_ work: @escaping @Sendable (StreamWriter) async throws -> Void) -> ResponseBody {
        let body = self.body
        return ResponseBody { writer in
            let parts = AsyncThrowingChannel<ByteBuffer, any Error>()
            try await body.consumeWithInboundCloseHandler { _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        do {
                            try await work(StreamWriter(parts: parts))
                            parts.finish()
                        } catch {
                            parts.fail(error)
                        }
                    }
                    for try await part in parts { try await writer.write(part) }
                }
            } onInboundClosed: {
                parts.fail(CancellationError())
            }
            try await writer.finish(nil)
        }
    }
}

/// Takes the parts of a streamed answer, each sent at once; `write` waits while the client does not read.
public struct StreamWriter: Sendable {
    let parts: AsyncThrowingChannel<ByteBuffer, any Error>

    public func write(_ bytes: ByteBuffer) async throws {
        await parts.send(bytes)
        try Task.checkCancellation()
    }

    public func write(_ text: String) async throws { try await write(ByteBuffer(string: text)) }
}
