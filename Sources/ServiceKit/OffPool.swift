import Dispatch
import NIOPosix

/// Runs work that waits for the file system, or computes for long, on a thread that may: the cooperative pool has a thread per core, and
/// one that waits there keeps every other task waiting.
///
/// - Throws: whatever the work throws.
public func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
}

/// Runs an actor on a queue of its own, for actors whose whole work is with files (SE-0392, custom actor executors).
public final class BlockingExecutor: SerialExecutor {
    private let queue: DispatchQueue

    /// - Parameter label: the queue's name in a debugger.
    public init(_ label: String) { queue = DispatchQueue(label: label) }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
