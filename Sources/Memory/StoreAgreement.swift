import GRDB

/// Whether conversations, index and queue agree: each conversation is found by all its words, and nothing else is found.
struct StoreAgreement: Sendable {
    let conversations: Int
    /// Numbers that the index holds without a conversation, or the other way round.
    let strays: Int
    let problems: [String]

    var isWhole: Bool { problems.isEmpty }
}

extension MemoryStore {
    /// Reads everything: minutes for millions of conversations.
    func checkAgreement() async throws -> StoreAgreement {
        try await pool.read { db in
            var problems = try String.fetchAll(db, sql: "PRAGMA integrity_check(10)").filter { $0 != "ok" }
            let conversations = try Int.fetchOne(db, sql: "SELECT count(*) FROM conversations") ?? 0
            // How often each word should be in the index, against how often it is.
            var expected: [String: Int] = [:]
            let all = try Row.fetchCursor(db, sql: "SELECT user_query, ai_response FROM conversations")
            while let row = try all.next() {
                for term in Conversation.terms(row["user_query"], row["ai_response"]).counts.keys { expected[term, default: 0] += 1 }
            }
            try db.execute(
                sql: "CREATE VIRTUAL TABLE IF NOT EXISTS temp.conversations_words USING fts5vocab (main, conversations_fts, row)")
            var strays = 0
            let words = try Row.fetchCursor(db, sql: "SELECT term, doc FROM temp.conversations_words")
            while let row = try words.next() {
                let (term, count): (String, Int) = (row["term"], row["doc"])
                strays += abs(count - (expected.removeValue(forKey: term) ?? 0))
            }
            strays += expected.values.reduce(0, +)
            if strays > 0 { problems.append("\(strays) entries of the index do not fit the conversations; make it anew: fts/rebuild") }
            let unqueued =
                try Int.fetchOne(
                    db,
                    sql: """
                        SELECT count(*) FROM conversations c LEFT JOIN conversation_embeddings e ON e.conversation_id = c.id WHERE e.id IS NULL
                        """) ?? 0
            if unqueued > 0 { problems.append("\(unqueued) conversations are not queued for the vector store") }
            return StoreAgreement(conversations: conversations, strays: strays, problems: problems)
        }
    }
}
