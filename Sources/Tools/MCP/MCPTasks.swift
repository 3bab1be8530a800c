import Foundation
import ServiceKit
import ServiceLifecycle

/// Calls that wait for somebody's approval, held as tasks: the client asks now and then what has become of them
/// (the extension `io.modelcontextprotocol/tasks`, SEP-2663). Each belongs to the identity that made the call.
public actor MCPTasks: Service {
    public static let extensionName = "io.modelcontextprotocol/tasks"

    /// What has become of a task.
    enum Outcome: Sendable {
        case result(JSONValue)
        case failed(MCPError)
    }

    struct Entry: Sendable {
        let id: String
        let owner: String
        let created: Date
        var updated: Date
        let ends: Date
        /// `working`, `input_required`, `completed`, `failed` or `cancelled`.
        var status: String
        var message: String?
        /// The question that the client has yet to put before its user.
        var question: JSONValue?
        var outcome: Outcome?
        var work: Task<Void, Never>?

        var isOver: Bool { ["completed", "failed", "cancelled"].contains(status) }
    }

    /// Seconds for which a result is kept after the approval's own time.
    static let keep: TimeInterval = 3_600
    /// The key of the one question that a task asks.
    static let question = "approval"
    private static let takenBack = "Taken back by the client."

    private let limit: Int
    private let limitPerOwner: Int
    private let clock: @Sendable () -> Date
    private var entries: [String: Entry] = [:]
    private var isClosed = false
    private var listeners: [UUID: (ids: Set<String>, continuation: AsyncStream<JSONValue>.Continuation)] = [:]

    public init(limit: Int = 1_024, limitPerOwner: Int = 64, clock: @escaping @Sendable () -> Date = { Date() }) {
        self.limit = limit
        self.limitPerOwner = limitPerOwner
        self.clock = clock
    }

    deinit { for entry in entries.values { entry.work?.cancel() } }

    /// Until graceful shutdown; then ``close()``.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }

    /// Takes no more tasks, breaks off what is not over, and waits until nothing of it runs: nobody can ask for it any more, and a program
    /// that it has just started would outlive this process.
    func close() async {
        isClosed = true
        for entry in entries.values { cancel(entry.id, because: "The service is ending.") }
        for entry in entries.values { await entry.work?.value }
    }

    /// Makes a task that waits for an approval and then runs the call. `nil` when there is no place for another, or the service is ending.
    ///
    /// - Parameter work: waits and calls; it is given a way to say that it now runs.
    func create(
        owner: Caller, approval: MCPApproval, question: JSONValue?, message: String,
        work: @escaping @Sendable (_ running: @Sendable () async -> Void) async -> Outcome
    ) -> JSONValue? {
        let now = clock()
        entries = entries.filter { $0.value.ends > now || !$0.value.isOver }
        guard !isClosed, entries.count < limit, entries.values.count(where: { $0.owner == owner.id }) < limitPerOwner else { return nil }
        let id = RequestScope.makeID()
        entries[id] = Entry(
            id: id, owner: owner.id, created: now, updated: now, ends: max(now, approval.expiresAt).addingTimeInterval(Self.keep),
            status: question == nil ? "working" : "input_required", message: message, question: question)
        entries[id]?.work = Task { [weak self] in
            let outcome = await work { [weak self] in await self?.began(id) }
            await self?.finish(id, outcome)
        }
        return entries[id].map { Self.json($0, now: now) }
    }

    /// - Throws: -32602 for a task that is not there, or not the caller's.
    func state(_ id: String, of caller: Caller) throws -> JSONValue { Self.json(try entry(id, caller), now: clock()) }

    /// Takes the client's answer. One to a question that was not asked, or was answered, is passed over.
    ///
    /// - Returns: whether the client took its call back by it.
    func update(_ id: String, _ responses: [String: JSONValue], of caller: Caller) throws -> Bool {
        let entry = try entry(id, caller)
        guard entry.question != nil, let action = responses[Self.question]?["action"]?.stringValue else { return false }
        guard action == "accept" else {
            cancel(id, because: Self.takenBack)
            return true
        }
        change(id) { entry in
            entry.question = nil
            entry.status = "working"
        }
        return false
    }

    /// Ends a task, if it is not over.
    func cancel(_ id: String, of caller: Caller) throws {
        _ = try entry(id, caller)
        cancel(id, because: Self.takenBack)
    }

    /// Says how tasks change, as `notifications/tasks` does. Only the caller's own are listened to.
    func changes(of ids: Set<String>, for caller: Caller) -> (ids: [String], changes: AsyncStream<JSONValue>) {
        let own = ids.filter { entries[$0]?.owner == caller.id }
        let (stream, continuation) = AsyncStream<JSONValue>.makeStream(bufferingPolicy: .bufferingNewest(256))
        let key = UUID()
        continuation.onTermination = { [weak self] _ in Task { await self?.forget(key) } }
        listeners[key] = (own, continuation)
        return (own.sorted(), stream)
    }

    private func forget(_ key: UUID) { listeners[key] = nil }

    private func entry(_ id: String, _ caller: Caller) throws -> Entry {
        guard let entry = entries[id], entry.owner == caller.id, entry.ends > clock() else {
            throw MCPError.invalidParams("There is no task “\(id.prefix(64))”.")
        }
        return entry
    }

    private func cancel(_ id: String, because reason: String) {
        guard let entry = entries[id], !entry.isOver else { return }
        entry.work?.cancel()
        change(id) { entry in
            entry.status = "cancelled"
            entry.message = reason
            entry.question = nil
        }
    }

    private func began(_ id: String) {
        change(id) { entry in
            entry.status = "working"
            entry.message = "Approved; the tool runs."
            entry.question = nil
        }
    }

    private func finish(_ id: String, _ outcome: Outcome) {
        change(id) { entry in
            entry.question = nil
            entry.outcome = outcome
            entry.message = nil
            if case .failed(let error) = outcome {
                entry.status = "failed"
                entry.message = error.message
            } else {
                entry.status = "completed"
            }
        }
    }

    private func change(_ id: String, _ change: (inout Entry) -> Void) {
        guard var entry = entries[id], !entry.isOver else { return }
        change(&entry)
        entry.updated = clock()
        entries[id] = entry
        for listener in listeners.values where listener.ids.contains(id) { listener.continuation.yield(Self.json(entry, now: clock())) }
    }

    private static func json(_ entry: Entry, now: Date) -> JSONValue {
        var members: [String: JSONValue] = [
            "taskId": .string(entry.id), "status": .string(entry.status), "createdAt": .string(entry.created.ISO8601Format()),
            "lastUpdatedAt": .string(entry.updated.ISO8601Format()),
            "ttlMs": .integer(Int64(entry.ends.timeIntervalSince(entry.created) * 1_000)), "pollIntervalMs": 1_000,
        ]
        if let message = entry.message { members["statusMessage"] = .string(message) }
        if let question = entry.question, entry.status == "input_required" { members["inputRequests"] = [Self.question: question] }
        switch entry.outcome {
        case .result(let result): members["result"] = result
        case .failed(let error): members["error"] = error.json
        case nil: break
        }
        return .object(members)
    }
}
