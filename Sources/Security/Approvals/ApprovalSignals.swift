import Foundation
import Synchronization

/// Wakes those who wait for a decision in this process, and those who follow new requests.
final class ApprovalSignals: Sendable {
    private let waiting = Mutex<[UUID: [UUID: AsyncStream<Void>.Continuation]]>([:])

    /// A stream that gives one element when the request changes after this call.
    func change(of id: UUID) -> AsyncStream<Void> {
        let token = UUID()
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        waiting.withLock { $0[id, default: [:]][token] = continuation }
        continuation.onTermination = { [weak self] _ in
            self?.waiting.withLock { waiting in
                waiting[id]?[token] = nil
                if waiting[id]?.isEmpty == true { waiting[id] = nil }
            }
        }
        return stream
    }

    func changed(_ id: UUID) {
        let woken = waiting.withLock { $0[id].map { Array($0.values) } ?? [] }
        for continuation in woken { continuation.yield() }
    }

    /// How many wait; nothing must be left when nobody does.
    var count: Int { waiting.withLock { $0.values.reduce(0) { $0 + $1.count } } }
}
