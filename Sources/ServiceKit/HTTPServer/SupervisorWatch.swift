import Foundation
import Logging
import ServiceLifecycle
import Suite

/// Ends a supervised service when its supervisor is gone, however that came: the supervisor holds the other end of standard input,
/// and the kernel closes it with the process.
struct SupervisorWatch: Service {
    let logger: Logger

    func run() async throws {
        let (ending, continuation) = AsyncStream<Void>.makeStream()
        // A thread of its own: it waits in the kernel for as long as the service lives.
        Thread.detachNewThread {
            while FileHandle.standardInput.availableData.count > 0 {}
            continuation.finish()
        }
        for await _ in ending.cancelOnGracefulShutdown() {}
        if !Task.isShuttingDownGracefully { logger.warning("the supervisor is gone; shutting down") }
    }
}
