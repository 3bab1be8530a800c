import Foundation
import Metrics
import ServiceKit

/// The sessions of legacy clients: each with an id that cannot be guessed, bound to who opened it, ended by the client or by silence.
public actor MCPSessions {
    struct Session: Sendable {
        let id: String
        let owner: String
        let revision: MCPRevision
        let capabilities: JSONValue
        let opened: Date
        var logLevel: MCPLogLevel?
        var lastUse: Date
    }

    private let limit: Int
    private let timeout: TimeInterval
    private let clock: @Sendable () -> Date
    private var sessions: [String: Session] = [:] {
        didSet { open.record(sessions.count) }
    }
    private let open = Gauge(label: "mcp_sessions_open", dimensions: [])

    /// - Parameters:
    ///   - limit: sessions that may be open at once.
    ///   - timeout: seconds after which a session that is not used ends.
    public init(limit: Int, timeout: Int, clock: @escaping @Sendable () -> Date = { Date() }) {
        self.limit = limit
        self.timeout = TimeInterval(timeout)
        self.clock = clock
    }

    /// Sessions that are open.
    public var count: Int {
        purge()
        return sessions.count
    }

    /// Opens a session. When all places are taken, the caller's own session that was silent longest gives way; nobody else's does.
    ///
    /// - Throws: 503 when there is no place.
    func open(_ caller: Caller, revision: MCPRevision, capabilities: JSONValue) throws -> Session {
        if sessions.count >= limit { purge() }
        if sessions.count >= limit {
            guard let oldest = sessions.values.filter({ $0.owner == caller.id }).min(by: { $0.lastUse < $1.lastUse }) else {
                throw ServiceError.unavailable(
                    "All sessions that MCP_MAX_SESSIONS allows are open.", code: "too_many_sessions", retryAfter: .seconds(30))
            }
            sessions[oldest.id] = nil
        }
        let session = Session(
            id: RequestScope.makeID() + RequestScope.makeID(), owner: caller.id, revision: revision, capabilities: capabilities,
            opened: clock(), logLevel: nil, lastUse: clock())
        sessions[session.id] = session
        return session
    }

    /// A session that is used now. Somebody else's does not exist for the caller.
    ///
    /// - Throws: 404.
    func use(_ id: String, by caller: Caller) throws -> Session {
        let now = clock()
        guard var session = sessions[id], session.owner == caller.id, session.lastUse.addingTimeInterval(timeout) > now else {
            throw ServiceError.notFound("There is no such session; begin a new one with initialize.", code: "unknown_session")
        }
        session.lastUse = now
        sessions[id] = session
        return session
    }

    func setLogLevel(_ level: MCPLogLevel, of id: String) { sessions[id]?.logLevel = level }

    /// Ends a session.
    ///
    /// - Throws: 404.
    func end(_ id: String, by caller: Caller) throws {
        _ = try use(id, by: caller)
        sessions[id] = nil
    }

    // MARK: Administration

    /// Sessions that are open, the oldest first.
    func all() -> [Session] {
        purge()
        return sessions.values.sorted { ($0.opened, $0.id) < ($1.opened, $1.id) }
    }

    /// A session, whoever it belongs to. Looking at it does not keep it open.
    ///
    /// - Throws: 404.
    func find(_ id: String) throws -> Session {
        purge()
        guard let session = sessions[id] else { throw ServiceError.notFound("There is no such session.", code: "unknown_session") }
        return session
    }

    /// Ends a session, whoever it belongs to.
    func end(_ id: String) { sessions[id] = nil }

    /// Ends sessions past their time.
    ///
    /// - Returns: how many were kept before, and after.
    func cleanUp() -> (before: Int, after: Int) {
        let before = sessions.count
        purge()
        return (before, sessions.count)
    }

    private func purge() {
        let now = clock()
        sessions = sessions.filter { $0.value.lastUse.addingTimeInterval(timeout) > now }
    }
}

extension MCPServer {
    /// Ends a session and what runs in it.
    func endSession(_ id: String) async {
        await sessions.end(id)
        running.cancelAll(scope: id)
    }

    /// Ends every session of a user.
    func endSessions(of user: String) async {
        for session in await sessions.all() where session.owner == user { await endSession(session.id) }
    }
}
