import ServiceKit

/// A chat completion request, the fields that this suite's own callers use
/// (https://platform.openai.com/docs/api-reference/chat/create). The gateway passes the others on from clients.
public struct ChatRequest: Codable, Sendable {
    public struct Message: Codable, Sendable {
        public let role: String
        public let content: String

        public init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    public struct StreamOptions: Codable, Sendable {
        /// Whether a last chunk tells the tokens spent.
        public let include_usage: Bool
    }

    public var model: String
    public var messages: [Message]
    public var max_tokens: Int?
    public var temperature: Double?
    public var stream: Bool?
    public var stream_options: StreamOptions?
    /// The form that the answer has to have, as `{"type":"json_schema",…}`.
    public var response_format: JSONValue?

    public init(model: String, messages: [Message], maxTokens: Int? = nil, temperature: Double? = nil, stream: Bool? = nil) {
        self.model = model
        self.messages = messages
        max_tokens = maxTokens
        self.temperature = temperature
        self.stream = stream
    }
}

/// A whole chat completion.
public struct ChatCompletion: Codable, Sendable {
    public struct Choice: Codable, Sendable {
        public struct Message: Codable, Sendable {
            public let role: String?
            public let content: String?
        }
        public let message: Message
        public let finish_reason: String?
    }
    public let model: String?
    public let choices: [Choice]
    public let usage: Usage?
}

/// One part of a streamed completion.
public struct ChatChunk: Codable, Sendable {
    public struct Choice: Codable, Sendable {
        public struct Delta: Codable, Sendable { public let content: String? }
        public let delta: Delta
        public let finish_reason: String?
    }
    public let choices: [Choice]
    public let usage: Usage?
}

/// Tokens spent.
public struct Usage: Codable, Sendable {
    public let prompt_tokens: Int
    public let completion_tokens: Int?
    public let total_tokens: Int

    public init(prompt: Int, completion: Int? = nil) {
        prompt_tokens = prompt
        completion_tokens = completion
        total_tokens = prompt + (completion ?? 0)
    }
}

/// `GET /v1/models`.
public struct ModelList: Codable, Sendable {
    public struct Model: Codable, Sendable {
        public let id: String
        public let object: String
        public let created: Int
        public let owned_by: String

        public init(id: String, created: Int, ownedBy: String = "maru") {
            self.id = id
            object = "model"
            self.created = created
            owned_by = ownedBy
        }
    }
    public let object: String
    public let data: [Model]

    public init(_ models: [Model]) {
        object = "list"
        data = models
    }
}
