import ServiceKit
import Synchronization

/// The bytes that a page and all that belongs to it have loaded.
final class Traffic: Sendable {
    private let limit: Int
    private let loaded = Atomic(0)
    private let fail: @Sendable (ServiceError) -> Void

    /// - Parameters:
    ///   - limit: in bytes.
    ///   - fail: ends the call.
    init(limit: Int, fail: @escaping @Sendable (ServiceError) -> Void) {
        self.limit = limit
        self.fail = fail
    }

    /// - Throws: 413 once there were too many.
    func count(_ bytes: Int) throws {
        guard loaded.add(bytes, ordering: .relaxed).newValue > limit else { return }
        let error = ServiceError.tooLarge("The page loads more than \(limit) bytes (WEB_MAX_BYTES), and was given up.")
        fail(error)
        throw error
    }
}
