import ServiceKit

/// `POST /v1/memory/conversations`: one turn to keep.
public struct SaveConversationRequest: StrictBody, Encodable {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case user_query, ai_response, model_used, session_id, token_count, response_time_ms, tags, context, project_path, project_id,
            user_id, importance_score
    }

    public var user_query: String
    public var ai_response: String
    public var model_used: String?
    public var session_id: String?
    public var token_count: Int?
    public var response_time_ms: Int?
    public var tags: [String]?
    /// Anything; `user_saved` makes the conversation one that is kept for ever, `user_important` one that is kept long.
    public var context: JSONValue?
    /// The folder it was about: kept with `context`.
    public var project_path: String?
    /// Without one, the caller's own.
    public var project_id: String?
    /// Whose turn it was: what only the services of the suite may say.
    public var user_id: String?
    /// 1 to 10; without one, the service judges.
    public var importance_score: Int?

    public init(
        user_query: String, ai_response: String, model_used: String? = nil, session_id: String? = nil, token_count: Int? = nil,
        response_time_ms: Int? = nil, tags: [String]? = nil, context: JSONValue? = nil, project_id: String? = nil,
        user_id: String? = nil, importance_score: Int? = nil
    ) {
        (self.user_query, self.ai_response, self.model_used, self.session_id) = (user_query, ai_response, model_used, session_id)
        (self.token_count, self.response_time_ms, self.tags, self.context) = (token_count, response_time_ms, tags, context)
        (self.project_id, self.user_id, self.importance_score) = (project_id, user_id, importance_score)
    }
}

/// `POST /v1/memory/conversations/search`.
public struct SearchConversationsRequest: StrictBody, Encodable {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case query, importance_min, importance_max, session_id, model_used, tags, since, until, limit, offset, use_vector_search, project_id
    }

    /// Any text; without one, the most important conversations come first.
    public var query: String?
    public var importance_min: Int?
    public var importance_max: Int?
    public var session_id: String?
    public var model_used: String?
    /// All of them must be there.
    public var tags: [String]?
    /// ISO 8601.
    public var since: String?
    /// ISO 8601; not included.
    public var until: String?
    /// 1 to 100; 10 without.
    public var limit: Int?
    public var offset: Int?
    /// `false` searches by words alone, `true` by meaning alone; without it, by both.
    public var use_vector_search: Bool?
    /// Without one, the caller's own.
    public var project_id: String?

    public init(query: String? = nil, limit: Int? = nil, use_vector_search: Bool? = nil, project_id: String? = nil) {
        (self.query, self.limit, self.use_vector_search, self.project_id) = (query, limit, use_vector_search, project_id)
    }
}

/// `PATCH` of a conversation: what is given is changed.
public struct EditConversationRequest: StrictBody, Encodable {
    public enum CodingKeys: String, CodingKey, CaseIterable { case user_query, ai_response, importance_score, tags }

    public var user_query: String?
    public var ai_response: String?
    public var importance_score: Int?
    public var tags: [String]?

    public init(user_query: String? = nil, ai_response: String? = nil, importance_score: Int? = nil, tags: [String]? = nil) {
        (self.user_query, self.ai_response, self.importance_score, self.tags) = (user_query, ai_response, importance_score, tags)
    }
}

/// Answer to a conversation that was kept.
public struct SaveConversationResponse: Codable, Sendable {
    public let conversation_id: Int64
    public let project_id: String
    public let importance_score: Int
    public let expires_at: String?
}

/// Answer of a search.
public struct SearchConversationsResponse: Decodable, Sendable {
    public let project_id: String
    /// Each with all fields of the conversation, and why it was found.
    public let results: [JSONValue]
    public let total_results: Int
    /// `hybrid`, `fts5`, `vector` or, without a query, `importance`.
    public let search_type: String
    /// Why meaning was left out; `nil` when it was not.
    public let vector_search_unavailable: String?
}

/// `POST /v1/memory/recall`: what is remembered about a question, for a model to read.
public struct RecallRequest: StrictBody, Encodable {
    public enum CodingKeys: String, CodingKey, CaseIterable { case query, project_id, user_id, max_chars }

    public var query: String
    /// Without one, the caller's own.
    public var project_id: String?
    /// For whom it is asked: what only the services of the suite may say.
    public var user_id: String?
    /// Characters that the text may have: 200 to 32,000; 2,000 without.
    public var max_chars: Int?

    public init(query: String, project_id: String? = nil, user_id: String? = nil, max_chars: Int? = nil) {
        (self.query, self.project_id, self.user_id, self.max_chars) = (query, project_id, user_id, max_chars)
    }
}

/// Answer to ``RecallRequest``.
public struct RecallResponse: Codable, Sendable {
    public let project_id: String
    /// What is remembered, fenced as data; empty when nothing is.
    public let text: String
    /// The conversations that it holds.
    public let conversation_ids: [Int64]
    public let search_type: String

    public init(project_id: String, text: String, conversation_ids: [Int64], search_type: String) {
        (self.project_id, self.text, self.conversation_ids, self.search_type) = (project_id, text, conversation_ids, search_type)
    }
}

/// A project as it stands in the list.
public struct MemoryProject: Codable, Sendable {
    public let project_id: String
    public let owner: String?
    public let database_path: String
    public let total_conversations: Int?
    public let avg_importance: Double?
    public let latest_conversation: String?
    /// Why its database cannot be opened.
    public let error: String?

    public init(
        project_id: String, owner: String?, database_path: String, total_conversations: Int?, avg_importance: Double?,
        latest_conversation: String?, error: String?
    ) {
        (self.project_id, self.owner, self.database_path) = (project_id, owner, database_path)
        (self.total_conversations, self.avg_importance) = (total_conversations, avg_importance)
        (self.latest_conversation, self.error) = (latest_conversation, error)
    }

    /// All of it, what is not there as `null`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(project_id, forKey: .project_id)
        try container.encode(owner, forKey: .owner)
        try container.encode(database_path, forKey: .database_path)
        try container.encode(total_conversations, forKey: .total_conversations)
        try container.encode(avg_importance, forKey: .avg_importance)
        try container.encode(latest_conversation, forKey: .latest_conversation)
        try container.encode(error, forKey: .error)
    }
}

/// What one run of the sync did.
public struct MemorySyncStats: Codable, Sendable {
    public var synced = 0
    public var failed = 0
    /// Left for later: refused before, and not due again.
    public var skipped = 0
    /// Points that went.
    public var deleted = 0

    public init() {}
}

/// What a look for facts came to.
public struct MemoryDigestStats: Codable, Sendable {
    /// Conversations that were looked through.
    public var conversations = 0
    public var facts = 0
    public var preferences = 0
    public var summaries = 0

    public init() {}
}

/// A backup that lies in the folder of backups.
public struct MemoryBackupFile: Codable, Sendable {
    public let name: String
    /// `daily`, `monthly`, `json`, `sql` or `safety`.
    public let kind: String
    public let created_at: String
    public let bytes: Int

    public init(name: String, kind: String, created_at: String, bytes: Int) {
        (self.name, self.kind, self.created_at, self.bytes) = (name, kind, created_at, bytes)
    }
}

/// Answer to a backup.
public struct MemoryBackupResponse: Codable, Sendable {
    public let project_id: String
    public let backup_path: String
    public let backup_type: String
    public let message: String
    /// Every file that was made, restored into a scratch place and compared.
    public let backups: [MemoryBackupFile]
    public let conversations: Int
    public let pruned: Int
    public let warnings: [String]
}

/// Answer to a restore.
public struct MemoryRestoreResponse: Codable, Sendable {
    public let project_id: String
    public let conversations: Int
    /// The backup of what was there before.
    public let safety_backup: String
    public let message: String
}

/// Answer to an import.
public struct MemoryImportResponse: Codable, Sendable {
    public let project_id: String
    public let imported: Int
    /// What was there already, or is past its time.
    public let skipped: Int
    public let message: String
}
