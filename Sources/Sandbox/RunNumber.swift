import Foundation
import Synchronization

/// A number that no other run of this process has; with the process's own it names what a run leaves, and tells who left it.
struct RunNumber: Sendable {
    let value: Int

    var name: String { "\(getpid())-\(value)" }

    private static let last = Mutex(0)

    static func next() -> RunNumber {
        RunNumber(
            value: last.withLock {
                $0 += 1
                return $0
            })
    }
}
