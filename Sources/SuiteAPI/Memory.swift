import ServiceKit

/// `POST /v1/memory/conversations`: one turn to keep.
public struct SaveConversationRequest: StrictBody, Encodable {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case user_query, ai_response, model_used, session_id, token_count, response_time_ms, tags, context, project_id, importance_score
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
    /// Without one, the caller's own.
    public var project_id: String?
    /// 1 to 10; without one, the service judges.
    public var importance_score: Int?

    public init(
        user_query: String, ai_response: String, model_used: String? = nil, session_id: String? = nil, token_count: Int? = nil,
        response_time_ms: Int? = nil, tags: [String]? = nil, context: JSONValue? = nil, project_id: String? = nil,
        importance_score: Int? = nil
    ) {
        (self.user_query, self.ai_response, self.model_used, self.session_id) = (user_query, ai_response, model_used, session_id)
        (self.token_count, self.response_time_ms, self.tags, self.context) = (token_count, response_time_ms, tags, context)
        (self.project_id, self.importance_score) = (project_id, importance_score)
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
