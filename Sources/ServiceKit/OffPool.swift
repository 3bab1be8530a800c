import NIOPosix

/// Runs work that blocks (reading files, waiting for a disk) on threads made for that, so that Swift's cooperative pool, which has one
/// thread a core, goes on with everybody else's work.
///
/// A task that is cancelled before its work began does not begin it; work that has begun is finished, so long work is cut into pieces.
public func offPool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try Task.checkCancellation()
    return try await NIOThreadPool.singleton.runIfActive(work)
}
