import Logging
import ServiceLifecycle

/// Ends requests whose time is over, every few seconds, whether anybody asks for them or not.
public struct ApprovalSweeper: Service {
    let approvals: Approvals
    let interval: Duration
    let logger: Logger

    public init(_ approvals: Approvals, interval: Duration = .seconds(3), logger: Logger) {
        self.approvals = approvals
        self.interval = interval
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    let ended = try await approvals.sweep()
                    if ended > 0 { logger.info("approvals expired", metadata: ["count": "\(ended)"]) }
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("approvals cannot be swept", metadata: ["error": "\(error)"])
                }
                do { try await Task.sleep(for: interval) } catch { return }
            }
        }
    }
}
