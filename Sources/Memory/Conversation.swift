import Foundation
import GRDB
import ServiceKit

/// What is saved of one turn.
struct NewConversation: Sendable {
    var query: String
    var response: String
    var model: String?
    var session: String?
    var tokens: Int?
    var milliseconds: Int?
    var tags: [String] = []
    var context: JSONValue?
    /// When it happened; now, except for what is imported.
    var moment: Date?
    /// A level that somebody set; `nil`: as ``Importance`` says.
    var importance: Int?
    /// Whether the user asked for it to be kept, or called it important.
    var isSaved = false
    var isMarked = false

    /// How important it is. It is worked out anew each time, which takes a while for a long text.
    var level: Int {
        importance ?? Importance.score(query: query, response: response, model: model, isSaved: isSaved, isMarked: isMarked)
    }

    /// What is indexed of it, worked out anew each time as well.
    var terms: MemoryTerms { Conversation.terms(query, response) }
}

/// One turn as it is kept.
struct Conversation: Sendable, FetchableRecord {
    let id: Int64
    let timestamp: String
    let query: String
    let response: String
    let model: String?
    let importance: Int
    let tags: [String]
    let session: String?
    let tokens: Int?
    let milliseconds: Int?
    let context: JSONValue?
    let createdAt: String
    let updatedAt: String
    let expiresAt: String?

    init(row: Row) {
        id = row["id"]
        timestamp = row["timestamp"]
        query = row["user_query"]
        response = row["ai_response"]
        model = row["model_used"]
        importance = row["importance_score"]
        let tags: String = row["tags"]
        // Reading JSON costs more than all the rest, and most have none.
        self.tags = tags == "[]" ? [] : (try? JSONDecoder().decode([String].self, from: Data(tags.utf8))) ?? []
        session = row["session_id"]
        tokens = row["token_count"]
        milliseconds = row["response_time_ms"]
        context = (row["project_context"] as String?).flatMap { try? JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
        createdAt = row["created_at"]
        updatedAt = row["updated_at"]
        expiresAt = row["expires_at"]
    }

    /// What is indexed of it.
    static func terms(_ query: String, _ response: String) -> MemoryTerms { MemoryTerms(text(query, response)) }

    var terms: MemoryTerms { MemoryTerms(text) }

    /// What was said, as one text.
    var text: String { Self.text(query, response) }

    private static func text(_ query: String, _ response: String) -> String { query + "\n" + response }

    /// As answers show it, by the names of the table's columns.
    var wire: [String: JSONValue] {
        [
            "id": .integer(id), "timestamp": .string(timestamp), "user_query": .string(query), "ai_response": .string(response),
            "model_used": .of(model), "importance_score": .integer(Int64(importance)), "tags": .array(tags.map(JSONValue.string)),
            "session_id": .of(session), "token_count": .of(tokens), "response_time_ms": .of(milliseconds), "context": context ?? .null,
            "created_at": .string(createdAt), "updated_at": .string(updatedAt), "expires_at": .of(expiresAt),
        ]
    }
}

extension JSONValue {
    static func of(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    static func of(_ number: Int?) -> JSONValue { number.map { .integer(Int64($0)) } ?? .null }
}
