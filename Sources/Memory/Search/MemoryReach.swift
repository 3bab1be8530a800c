import GRDB

/// What a filter lets through, as far as it is known before anything is looked at.
struct MemoryReach: Sendable {
    /// The conversations of its session or time, where they are few; else, and where it names neither, `nil`.
    let few: [Int64]?
    /// How large a share of all it lets through, about; never 0.
    let share: Double

    /// Of a filter that lets everything through.
    static let everything = MemoryReach(few: nil, share: 1)
}

extension MemoryStore {
    /// Conversations that a session or a time may have so that each of them is looked at.
    private static let few = 2_000

    func reach(of filter: MemoryFilter) async throws -> MemoryReach {
        guard !filter.isOpen else { return .everything }
        if let few = try await self.few(filter, atMost: Self.few) { return MemoryReach(few: few, share: 1) }
        return MemoryReach(few: nil, share: try await share(passing: filter))
    }

    /// The conversations of a filter's session or time, when they are few; `nil` when there are more, or it names neither. An index finds
    /// them, so that no more are looked at.
    func few(_ filter: MemoryFilter, atMost most: Int) async throws -> [Int64]? {
        let sql: String
        let arguments: StatementArguments
        if let session = filter.session {
            (sql, arguments) = ("session_id = ?", [session])
        } else if let span = filter.span {
            (sql, arguments) = ("timestamp >= ? AND timestamp < ?", [span.from, span.to])
        } else {
            return nil
        }
        let found = try await pool.read { db in
            let statement = try db.cachedStatement(
                sql: "SELECT group_concat(id) FROM (SELECT id FROM conversations WHERE \(sql) LIMIT ?)")
            return Self.numbers(try String.fetchOne(statement, arguments: arguments + [most + 1]))
        }
        return found.count > most ? nil : found
    }

    /// How large a share of all conversations a filter lets through, judged by some that lie evenly among them; never 0.
    func share(passing filter: MemoryFilter) async throws -> Double {
        let condition = filter.condition(at: now())
        return try await pool.read { db in
            // Each by itself: an index gives the one or the other, for both at once all would be looked at.
            let bounds = try Row.fetchOne(
                db, sql: "SELECT (SELECT min(id) FROM conversations), (SELECT max(id) FROM conversations)")
            guard let first = bounds?[0] as Int64?, let last = bounds?[1] as Int64? else { return 1 }
            let ids = Array(stride(from: first, through: last, by: max(1, Int(last - first) / Self.sample)))
            let looked = try Self.passing(("TRUE", []), among: ids, db).count
            let passed = try Self.passing(condition, among: ids, db).count
            // Where most numbers are gone, too few were looked at to tell.
            guard looked >= Self.sample / 4 || last - first < Int64(Self.sample) else { return 0.1 }
            return Double(max(passed, 1)) / Double(max(looked, 1))
        }
    }

    private static let sample = 200
}
