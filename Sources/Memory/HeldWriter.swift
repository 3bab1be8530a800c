import Dispatch
import GRDB

/// Keeps everybody who would write to a database waiting for a while. Those who read go on.
struct HeldWriter {
    private let isReleased: DispatchSemaphore

    /// Waits for its turn to write, and then lets nobody else. Blocks: call it off the cooperative pool.
    ///
    /// - Parameter patience: after which others go on though nobody has called ``release()``.
    init(of pool: DatabasePool, atMost patience: DispatchTimeInterval) {
        let (isHeld, isReleased) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        pool.asyncWriteWithoutTransaction { _ in
            isHeld.signal()
            _ = isReleased.wait(timeout: .now() + patience)
        }
        isHeld.wait()
        self.isReleased = isReleased
    }

    /// Lets others go on.
    func release() { isReleased.signal() }
}
