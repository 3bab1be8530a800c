import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// Serves a connection on the thread that reads it. To wake a thread of the cooperative pool for each part of a request, and the first one
/// again for the answer, takes longer than most requests do.
///
/// What a handler does runs on the pool all the same, unless it says of itself that it is brief (``Route/isBrief``): while it computed, no
/// other connection of the thread would be heard.
struct LoopChannel: ServerChildChannel {
    private let http: HTTP1Channel

    init(responder: @escaping HTTPChannelHandler.Responder, idleLimit: Duration) {
        http = HTTP1Channel(responder: responder, configuration: .init(idleTimeout: .nanoseconds(idleLimit.nanoseconds)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        http.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(ConnectionRules(), position: .after(decoder))
            return value
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        let executor = EventLoopExecutor(value.channel.eventLoop)
        await EventLoopExecutor.$current.withValue(executor) {
            await withTaskExecutorPreference(executor) { await http.handle(value: value, logger: logger) }
        }
    }
}

/// Runs tasks on an event loop's thread.
final class EventLoopExecutor: TaskExecutor {
    /// That of the connection whose request is being answered; `nil` elsewhere.
    @TaskLocal static var current: EventLoopExecutor?

    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

extension Response {
    /// A stream is made on the pool, whatever it takes to make it.
    var streamingOffLoop: Response {
        let body = self.body
        guard body.contentLength == nil else { return self }
        var response = self
        response.body = ResponseBody { writer in
            try await withTaskExecutorPreference(globalConcurrentExecutor) { try await body.write(writer) }
        }
        return response
    }
}
