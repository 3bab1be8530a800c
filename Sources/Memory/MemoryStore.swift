import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// The memory of one project: `DATA_DIR/memory/projects/<id>/memory.db`.
///
/// What was acknowledged survives the end of the process (WAL, `synchronous=NORMAL`: a commit is in the file's log, though not yet synced to
/// the disk; https://www.sqlite.org/pragma.html#pragma_synchronous). What is changed is queued for the vector store in the same transaction.
struct MemoryStore: Sendable {
    let project: ProjectID
    /// The user who saved something in it first; others do not see it.
    let owner: String
    let path: FilePath
    let pool: DatabasePool
    let words = WordIndex()
    let checkpoints: Checkpoints
    let now: @Sendable () -> Date

    /// Opens the database, makes it on first use and brings its tables up to date. Blocks: call it off the cooperative pool.
    ///
    /// - Parameter user: whose it becomes when it is new.
    init(_ project: ProjectID, for user: String, path: FilePath, now: @escaping @Sendable () -> Date = { .now }) throws {
        let folder = path.removingLastComponent()
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var configuration = Configuration()
        configuration.busyMode = .timeout(30)
        configuration.label = "memory"
        configuration.prepareDatabase { db in
            // Of use only while the database is still empty: pages that are no longer needed can be given back a few at a time.
            if !db.configuration.readonly { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
            // ``Checkpoints`` does it, for which commits hardly wait.
            if !db.configuration.readonly { try db.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
            try db.execute(sql: "PRAGMA cache_size = -65536")
        }
        pool = try DatabasePool(path: path.string, configuration: configuration)
        try MemorySchema.migrator.migrate(pool)
        checkpoints = try Checkpoints.begin(for: pool)
        let (name, owner) = try pool.write { db in
            try db.execute(
                sql: "INSERT OR IGNORE INTO project (id, project_id, owner, created_at) VALUES (1, ?, ?, ?)",
                arguments: [project.text, user, MemoryTime.text(now())])
            let row = try Row.fetchOne(db, sql: "SELECT project_id, owner FROM project")
            return ((row?["project_id"] as String?) ?? project.text, (row?["owner"] as String?) ?? user)
        }
        guard name == project.text else {
            // Where the file system does not tell letters apart by their case, or somebody copied a folder.
            throw ServiceError.conflict("What lies in the place of project “\(project)” is the memory of “\(name)”.", code: "project_taken")
        }
        self.owner = owner
        (self.project, self.path, self.now) = (project, path, now)
    }

    /// Lets go of the files.
    func close() throws {
        try checkpoints.close()
        try pool.close()
    }

    // MARK: One conversation

    /// How a turn was kept.
    struct Kept: Sendable {
        let id: Int64
        let importance: Int
        let expiresAt: String?
    }

    /// Keeps a turn.
    func save(_ new: NewConversation) async throws -> Kept {
        let terms = new.terms
        return try await pool.write { db in try keeping(db) { keep in try keep(new, terms) } }
    }

    /// - Throws: 404 when there is none of this number, or its time has passed.
    func conversation(_ id: Int64) async throws -> Conversation {
        try await pool.read { db in try alive(id, db) }
    }

    private func alive(_ id: Int64, _ db: Database) throws -> Conversation {
        let found = try find(id, db)
        guard found.expiresAt.map({ $0 > MemoryTime.text(now()) }) ?? true else { throw Self.unknown(id) }
        return found
    }

    /// Changes what is given of a conversation. A new level counts from when it happened, as if it had been saved with it.
    ///
    /// - Throws: 404 when there is none of this number, or its time has passed.
    func edit(_ id: Int64, _ change: ConversationChange) async throws -> Conversation {
        try await pool.write { db in
            let old = try alive(id, db)
            let (query, response) = (change.query ?? old.query, change.response ?? old.response)
            let level = change.importance ?? old.importance
            let start = MemoryTime.date(old.timestamp) ?? now()
            let expires = level == old.importance ? old.expiresAt : Expiry.date(level: level, from: start).map(MemoryTime.text)
            try db.execute(
                sql: """
                    UPDATE conversations SET user_query = ?, ai_response = ?, importance_score = ?, tags = ?, expires_at = ?, updated_at = ?
                    WHERE id = ?
                    """,
                arguments: [query, response, level, Self.json(change.tags ?? old.tags), expires, MemoryTime.text(now()), id])
            try db.execute(
                sql: """
                    UPDATE conversation_embeddings SET sync_status = 'pending', attempts = 0, next_attempt_at = NULL, last_error = NULL
                    WHERE conversation_id = ?
                    """, arguments: [id])
            try words.remove([id: old.terms], db)
            try words.add([id: Conversation.terms(query, response)], db)
            return try find(id, db)
        }
    }

    /// - Throws: 404 when there is none of this number.
    func delete(_ id: Int64) async throws {
        try await pool.write { db in
            let conversation = try find(id, db)
            try forget(conversation, db)
            // What somebody wants forgotten is forgotten with what was learnt from it. Of its day there is a sum again once one is made anew.
            try db.execute(
                sql: "DELETE FROM conversation_summaries WHERE date_range = substr(?, 1, 10)", arguments: [conversation.timestamp])
            for table in ["important_facts", "user_preferences"] {
                try db.execute(sql: "DELETE FROM \(table) WHERE source_conversation_id = ?", arguments: [id])
            }
            try words.remove([id: conversation.terms], db)
        }
    }

    // MARK: Many

    /// Conversations, newest first.
    func list(_ filter: MemoryFilter, limit: Int, offset: Int) async throws -> (found: [Conversation], total: Int) {
        try await page(filter, by: "c.timestamp DESC, c.id DESC", limit, offset)
    }

    /// Conversations, the most important first.
    func mostImportant(_ filter: MemoryFilter, limit: Int, offset: Int) async throws -> (found: [Conversation], total: Int) {
        try await page(filter, by: "c.importance_score DESC, c.timestamp DESC, c.id DESC", limit, offset)
    }

    private func page(
        _ filter: MemoryFilter, by order: String, _ limit: Int, _ offset: Int
    ) async throws -> (found: [Conversation], total: Int) {
        let moment = now()
        let condition = filter.condition(at: moment)
        return try await pool.read { db in
            let total =
                filter.isOpen
                ? try Self.countAlive(at: moment, db)
                : try Int.fetchOne(
                    db, sql: "SELECT count(*) FROM conversations c WHERE \(condition.sql)", arguments: condition.arguments) ?? 0
            let found = try Conversation.fetchAll(
                db, sql: "SELECT c.* FROM conversations c WHERE \(condition.sql) ORDER BY \(order) LIMIT ? OFFSET ?",
                arguments: condition.arguments + [limit, offset])
            return (found, total)
        }
    }

    /// How many there are whose time has not passed. All are counted and those past it taken off: indexes alone answer that.
    private static func countAlive(at moment: Date, _ db: Database) throws -> Int {
        try Int.fetchOne(
            db,
            sql: "SELECT (SELECT count(*) FROM conversations) - (SELECT count(*) FROM conversations WHERE expires_at <= ?)",
            arguments: [MemoryTime.text(moment)]) ?? 0
    }

    /// The first of some conversations that a filter lets through, by number.
    func conversations(_ ids: [Int64], _ filter: MemoryFilter, limit: Int) async throws -> [Int64: Conversation] {
        let moment = now()
        return try await pool.read { db in
            let passing = try Self.passing(filter, at: moment, among: ids, db)
            // Only of those that are wanted the texts are read.
            let first = ids.filter(passing.contains).prefix(limit)
            let found = try Self.whole(first, db)
            return Dictionary(uniqueKeysWithValues: found.map { ($0.id, $0) })
        }
    }

    /// Conversations by their numbers, in no order.
    static func whole(_ ids: some Collection<Int64>, _ db: Database) throws -> [Conversation] {
        let list = try db.cachedStatement(sql: "SELECT c.* FROM json_each(?) wanted CROSS JOIN conversations c ON c.id = wanted.value")
        return try Conversation.fetchAll(list, arguments: [named(ids)])
    }

    /// Numbers as the list that `json_each` takes. In order they lie side by side.
    private static func named(_ ids: some Collection<Int64>) -> String {
        "[" + ids.sorted().map(String.init).joined(separator: ",") + "]"
    }

    /// Those of some conversations that a filter lets through, by number.
    static func passing(_ filter: MemoryFilter, at moment: Date, among ids: some Collection<Int64>, _ db: Database) throws -> Set<Int64> {
        // Few have a tag, and which is soonest told. Of several one is enough for that.
        let tag = filter.tags.prefix(1)
        let tagged = tag.isEmpty ? "" : "CROSS JOIN conversation_tags t ON t.tag = ? AND t.conversation_id = wanted.value"
        var rest = filter
        rest.tags.removeFirst(tag.count)
        let condition = rest.condition(at: moment)
        let list = try db.cachedStatement(
            sql: """
                SELECT group_concat(c.id) FROM json_each(?) wanted \(tagged)
                CROSS JOIN conversations c INDEXED BY conversations_filter ON c.id = wanted.value WHERE \(condition.sql)
                """)
        // In one row: thousands would cost more to hand over than to find.
        return Set(
            try numbers(String.fetchOne(list, arguments: [named(ids)] + StatementArguments(Array(tag)) + condition.arguments)))
    }

    /// The numbers of a list as `group_concat` makes it.
    static func numbers(_ list: String?) -> [Int64] {
        guard var list, !list.isEmpty else { return [] }
        return list.withUTF8 { text in
            var numbers: [Int64] = []
            numbers.reserveCapacity(text.count / 4)
            var (size, isNegative) = (Int64(0), false)
            for byte in text {
                switch byte {
                case UInt8(ascii: ","):
                    numbers.append(isNegative ? -size : size)
                    (size, isNegative) = (0, false)
                case UInt8(ascii: "-"): isNegative = true
                default: size = size * 10 + Int64(byte - UInt8(ascii: "0"))
                }
            }
            numbers.append(isNegative ? -size : size)
            return numbers
        }
    }

    /// Makes the index anew from the conversations.
    func rebuildIndex() async throws {
        try await pool.write { db in try WordIndex.rebuild(db) }
    }

    /// Makes one piece of the index of words, gives room back to the disk and lets the query planner see what there is; a little at a time, so
    /// that who writes meanwhile does not wait long (https://www.sqlite.org/pragma.html#pragma_incremental_vacuum).
    func optimize() async throws {
        var isFirst = true
        while try await pool.write({ [isFirst] db in try WordIndex.unite(isFirst: isFirst, db) }) {
            isFirst = false
            try await checkpoints.finished()
        }
        while true {
            let (before, after) = try await pool.writeWithoutTransaction { db in
                let before = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
                // Each row of the answer is a page that went: it has to be read to the end.
                _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(Self.freedPages))")
                return (before, try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0)
            }
            if after == 0 || after >= before { break }
            try await checkpoints.finished()
        }
        try await pool.write { db in try db.execute(sql: "PRAGMA analysis_limit = 1000; ANALYZE") }
    }

    private static let freedPages = 500

    // MARK: Parts of transactions

    /// Has turns kept. Their words are written when all are, so that they make one segment.
    ///
    /// - Parameter work: is given what keeps a turn, whose terms are made before the transaction begins.
    func keeping<Outcome>(
        _ db: Database, _ work: (_ keep: (NewConversation, MemoryTerms) throws -> Kept) throws -> Outcome
    ) throws -> Outcome {
        var added: [Int64: MemoryTerms] = [:]
        let outcome = try work { new, terms in
            let kept = try insert(new, db)
            added[kept.id] = terms
            return kept
        }
        try words.add(added, db)
        return outcome
    }

    /// Its words are still to be written.
    private func insert(_ new: NewConversation, _ db: Database) throws -> Kept {
        let present = now()
        let presentText = MemoryTime.text(present)
        let moment = new.moment ?? present
        let level = new.level
        let expires = Expiry.date(level: level, from: moment).map(MemoryTime.text)
        try db.cachedStatement(
            sql: """
                INSERT INTO conversations (timestamp, user_query, ai_response, model_used, importance_score, tags, session_id, token_count,
                    response_time_ms, project_context, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            new.moment.map(MemoryTime.text) ?? presentText, new.query, new.response, new.model, level,
            new.tags.isEmpty ? "[]" : Self.json(new.tags), new.session,
            new.tokens, new.milliseconds, new.context.map(Self.json), presentText, presentText, expires,
        ])
        let id = db.lastInsertedRowID
        try db.cachedStatement(sql: "INSERT INTO conversation_embeddings (conversation_id, created_at) VALUES (?, ?)")
            .execute(arguments: [id, presentText])
        return Kept(id: id, importance: level, expiresAt: expires)
    }

    /// Its words are still to be removed.
    func forget(_ conversation: Conversation, _ db: Database) throws {
        // What may have a point must lose it; one that was never sent has none.
        try db.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO vector_deletions (point_id, created_at) SELECT conversation_id, ? FROM conversation_embeddings
                WHERE conversation_id = ? AND (qdrant_point_id IS NOT NULL OR attempts > 0)
                """
        ).execute(arguments: [MemoryTime.text(now()), conversation.id])
        try db.cachedStatement(sql: "DELETE FROM conversations WHERE id = ?").execute(arguments: [conversation.id])
    }

    private func find(_ id: Int64, _ db: Database) throws -> Conversation {
        let statement = try db.cachedStatement(sql: "SELECT * FROM conversations WHERE id = ?")
        guard let found = try Conversation.fetchOne(statement, arguments: [id]) else { throw Self.unknown(id) }
        return found
    }

    static func json(_ value: some Encodable) throws -> String { String(decoding: try JSONEncoder.sorted.encode(value), as: UTF8.self) }

    private static func unknown(_ id: Int64) -> ServiceError {
        .notFound("There is no conversation \(id) in this project.", code: "conversation_not_found")
    }
}

/// What is changed of a conversation; `nil`: stays.
struct ConversationChange: Sendable {
    var query: String?
    var response: String?
    var importance: Int?
    var tags: [String]?
}
