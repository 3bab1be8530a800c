import GRDB

/// What a filter lets through, as far as it is known before anything is looked at.
struct MemoryReach: Sendable {
    /// The conversations of its session, tag, time, model or importance, where those are few; else `nil`.
    let few: [Int64]?
    /// How large a share of all it lets through, about; never 0.
    let share: Double

    /// Of a filter that lets everything through.
    static let everything = MemoryReach(few: nil, share: 1)
}

extension MemoryStore {
    /// Conversations that a session, a tag and so on may have so that each of them is looked at.
    private static let few = 2_000

    func reach(of filter: MemoryFilter) async throws -> MemoryReach {
        guard !filter.isOpen else { return .everything }
        if let few = try await self.few(filter, atMost: Self.few) { return MemoryReach(few: few, share: 1) }
        return MemoryReach(few: nil, share: try await share(passing: filter))
    }

    /// The conversations of a part of a filter that has few; `nil` when none has. An index finds them, so that no more are looked at.
    func few(_ filter: MemoryFilter, atMost most: Int) async throws -> [Int64]? {
        var parts: [(sql: String, arguments: StatementArguments)] = []
        if let session = filter.session { parts.append(("SELECT id FROM conversations WHERE session_id = ?", [session])) }
        for tag in filter.tags { parts.append(("SELECT conversation_id AS id FROM conversation_tags WHERE tag = ?", [tag])) }
        if let span = filter.span {
            parts.append(("SELECT id FROM conversations WHERE timestamp >= ? AND timestamp < ?", [span.from, span.to]))
        }
        if let model = filter.model { parts.append(("SELECT id FROM conversations WHERE model_used = ?", [model])) }
        if filter.importance != Importance.range {
            parts.append(
                (
                    "SELECT id FROM conversations WHERE importance_score BETWEEN ? AND ?",
                    [filter.importance.lowerBound, filter.importance.upperBound]
                ))
        }
        return try await pool.read { [parts] db in
            for part in parts {
                // Counted first: most parts have many, and to name them costs more.
                let count = try db.cachedStatement(sql: "SELECT count(*) FROM (\(part.sql) LIMIT ?)")
                guard try Int.fetchOne(count, arguments: part.arguments + [most + 1]) ?? 0 <= most else { continue }
                let list = try db.cachedStatement(sql: "SELECT group_concat(id) FROM (\(part.sql))")
                return Self.numbers(try String.fetchOne(list, arguments: part.arguments))
            }
            return nil
        }
    }

    /// How large a share of all conversations a filter lets through, judged by some that lie evenly among them; never 0.
    func share(passing filter: MemoryFilter) async throws -> Double {
        let moment = now()
        return try await pool.read { db in
            // Each by itself: an index gives the one or the other, for both at once all would be looked at.
            let bounds = try Row.fetchOne(
                db.cachedStatement(sql: "SELECT (SELECT min(id) FROM conversations), (SELECT max(id) FROM conversations)"))
            guard let first = bounds?[0] as Int64?, let last = bounds?[1] as Int64? else { return 1 }
            let ids = Array(stride(from: first, through: last, by: max(1, Int(last - first) / Self.sample)))
            let looked = try Self.passing(MemoryFilter(), at: moment, among: ids, db).count
            let passed = try Self.passing(filter, at: moment, among: ids, db).count
            // Where most numbers are gone, too few were looked at to tell.
            guard looked >= Self.sample / 4 || last - first < Int64(Self.sample) else { return 0.1 }
            return Double(max(passed, 1)) / Double(max(looked, 1))
        }
    }

    private static let sample = 200
}
