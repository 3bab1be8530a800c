import HTTPTypes
import Synchronization

/// The requests that are being worked on, so that a client can take one back.
public final class RunningRequests: Sendable {
    fileprivate struct Key: Hashable {
        let scope: String
        let id: RequestID
    }

    private struct Entry {
        let serial: Int
        let signal: AsyncStream<Void>.Continuation
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var serial = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// A place for one request; to be taken before the next message is read, so that one that takes it back finds it. It is given back
    /// when nobody holds it any more.
    final class Place: Sendable {
        fileprivate let key: Key
        fileprivate let signal: AsyncStream<Void>
        fileprivate let serial: Int
        private let requests: RunningRequests

        fileprivate init(key: Key, signal: AsyncStream<Void>, serial: Int, requests: RunningRequests) {
            self.key = key
            self.signal = signal
            self.serial = serial
            self.requests = requests
        }

        deinit { requests.leave(key, serial) }
    }

    /// Requests of one session or connection that are worked on at once.
    static let limit = 256

    /// - Parameter scope: the session or connection: ids are unique within it.
    /// - Throws: -32600 when a request with this id is still being worked on, -32603 when there are too many.
    func enter(_ id: RequestID, scope: String) throws -> Place {
        let key = Key(scope: scope, id: id)
        let (signal, continuation) = AsyncStream<Void>.makeStream()
        guard count(scope: scope) < Self.limit else {
            throw MCPError(
                MCPError.internalError, "\(Self.limit) requests are being worked on; wait for answers.", status: .tooManyRequests,
                retryAfter: 1)
        }
        let serial = state.withLock { state -> Int? in
            guard state.entries[key] == nil else { return nil }
            state.serial += 1
            state.entries[key] = Entry(serial: state.serial, signal: continuation)
            return state.serial
        }
        guard let serial else { throw MCPError.invalidRequest("A request with this id is still being worked on.") }
        return Place(key: key, signal: signal, serial: serial, requests: self)
    }

    /// Runs the work of a request until it is done or taken back.
    ///
    /// - Throws: ``RequestCancelled`` when it was taken back first; whatever the work throws.
    func run<Value: Sendable>(_ place: Place, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        defer { leave(place.key, place.serial) }
        return try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await work() }
            group.addTask {
                for await _ in place.signal {}
                throw RequestCancelled()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw RequestCancelled() }
            return first
        }
    }

    /// Once answered, an id may be used again, also while somebody still holds the place of the request before.
    private func leave(_ key: Key, _ serial: Int) {
        state.withLock { state in
            if state.entries[key]?.serial == serial { state.entries[key] = nil }
        }
    }

    /// Takes a request back; one that is not known any more was answered.
    func cancel(_ id: RequestID, scope: String) { state.withLock { $0.entries[Key(scope: scope, id: id)] }?.signal.finish() }

    /// Takes back every request of a session or connection.
    func cancelAll(scope: String) {
        for entry in state.withLock({ state in state.entries.filter { $0.key.scope == scope }.values }) { entry.signal.finish() }
    }

    func count(scope: String) -> Int { state.withLock { state in state.entries.keys.count { $0.scope == scope } } }
}
