import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Suite

/// Ends a supervised service when its supervisor is gone, however that came: the supervisor holds the other end of standard input,
/// and the kernel closes it with the process.
struct SupervisorWatch: Service {
    let logger: Logger

    func run() async throws {
        let channel = try await NIOPipeBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .takingOwnershipOfDescriptor(input: dup(STDIN_FILENO)) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, Never>(wrappingChannelSynchronously: channel) }
            }
        try await channel.executeThenClose { inbound in
            for try await _ in inbound.cancelOnGracefulShutdown() {}
        }
        if !Task.isShuttingDownGracefully { logger.warning("the supervisor is gone; shutting down") }
    }
}
