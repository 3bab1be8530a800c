import Foundation
import ServiceKit
import Synchronization

/// A conversation in the DevTools protocol: calls that are answered, and events. Messages are JSON, each ended by a zero byte.
final class DevTools: Sendable {
    struct Event: Sendable {
        let method: String
        let parameters: JSONValue
        let session: String?
    }

    /// What the browser says of a call that it did not carry out.
    struct Refusal: Error, CustomStringConvertible {
        let method: String
        let message: String
        var description: String { "\(method): \(message)" }
    }

    private struct State {
        var lastID: Int64 = 0
        var waiting: [Int64: (method: String, continuation: CheckedContinuation<JSONValue, any Error>)] = [:]
        var isClosed = false
        var observers: [@Sendable (Event) -> Void] = []
    }

    /// The longest message that is read, in bytes: a picture of a page comes as one.
    static let maxBytes = 96 << 20

    /// What is to be written to the browser.
    let outgoing: AsyncStream<Data>
    private let write: AsyncStream<Data>.Continuation
    private let state = Mutex(State())

    init() { (outgoing, write) = AsyncStream.makeStream() }

    /// Has a function told of each event, in order, before anything that came after it.
    func observe(_ observer: @escaping @Sendable (Event) -> Void) { state.withLock { $0.observers.append(observer) } }

    /// Calls a method.
    ///
    /// - Parameter session: the target that is meant; the browser itself without one.
    /// - Throws: ``Refusal``, ``BrowserGone``, or `CancellationError`.
    @discardableResult
    func call(_ method: String, _ parameters: JSONValue = [:], session: String? = nil) async throws -> JSONValue {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        var message: [String: JSONValue] = ["id": .integer(id), "method": .string(method), "params": parameters]
        if let session { message["sessionId"] = .string(session) }
        let bytes = try JSONEncoder.wire.encode(message) + [0]
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let refusal: (any Error)? = state.withLock { state in
                    if state.isClosed { return BrowserGone() }
                    // Cancelled before it waits: the handler has found nobody to wake.
                    if Task.isCancelled { return CancellationError() }
                    state.waiting[id] = (method, continuation)
                    return nil
                }
                if let refusal { continuation.resume(throwing: refusal) } else { write.yield(bytes) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Takes a message of the browser, without its zero byte.
    func received(_ bytes: Data) {
        guard let message = try? JSONDecoder().decode(JSONValue.self, from: bytes) else { return }
        if let method = message["method"]?.stringValue {
            let event = Event(method: method, parameters: message["params"] ?? [:], session: message["sessionId"]?.stringValue)
            for observer in state.withLock({ $0.observers }) { observer(event) }
        }
        guard let id = message["id"]?.intValue, let call = state.withLock({ $0.waiting.removeValue(forKey: Int64(id)) }) else { return }
        if let error = message["error"] {
            call.continuation.resume(throwing: Refusal(method: call.method, message: error["message"]?.stringValue ?? "failed"))
        } else {
            call.continuation.resume(returning: message["result"] ?? [:])
        }
    }

    /// The browser is gone: whoever waits is told.
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [:] }
            return state.waiting.values.map(\.continuation)
        }
        write.finish()
        for continuation in waiting { continuation.resume(throwing: BrowserGone()) }
    }
}

/// The browser ended while something was asked of it.
struct BrowserGone: Error {
    /// What it said last.
    var lastWords = ""
}
