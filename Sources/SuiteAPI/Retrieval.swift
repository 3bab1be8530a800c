import ServiceKit

/// `POST /index`: what to index. Query parameters `collection` and `path` mean the same.
public struct IndexRequest: Codable, Sendable {
    public var collection: String?
    /// A file or folder on the service's machine; without one, `DOCUMENTS_DIR`.
    public var path: String?

    public init(collection: String? = nil, path: String? = nil) {
        self.collection = collection
        self.path = path
    }
}

/// The answer of `POST /index`.
public struct IndexResponse: Codable, Sendable {
    /// A file that could not be indexed, and why.
    public struct Failure: Codable, Sendable {
        public let file: String
        public let reason: String

        public init(file: String, reason: String) {
            self.file = file
            self.reason = reason
        }
    }

    public let collection: String
    /// Passages of the collection below the indexed path, new and unchanged.
    public let chunks: Int
    public let files: Int
    /// Files that were new or changed, and so embedded.
    public let indexed: Int
    public let unchanged: Int
    /// Files that are gone since, and whose passages were removed.
    public let removed: Int
    public let failed: [Failure]
    public let seconds: Double

    public init(
        collection: String, chunks: Int, files: Int, indexed: Int, unchanged: Int, removed: Int, failed: [Failure], seconds: Double
    ) {
        self.collection = collection
        self.chunks = chunks
        self.files = files
        self.indexed = indexed
        self.unchanged = unchanged
        self.removed = removed
        self.failed = failed
        self.seconds = seconds
    }
}

/// `POST /query`.
public struct QueryRequest: Codable, Sendable {
    public var query: String
    public var collection: String?
    public var topk: Int?
    /// Whether the answer comes as server-sent events: `sources`, then `delta`s, then `done`.
    public var stream: Bool?
    /// Whether an answer that was given before may be given again; it may without a word.
    public var cache: Bool?

    public init(query: String, collection: String? = nil, topk: Int? = nil, stream: Bool? = nil, cache: Bool? = nil) {
        self.query = query
        self.collection = collection
        self.topk = topk
        self.stream = stream
        self.cache = cache
    }
}

/// A passage that an answer is built on; `[n]` in the answer cites the one with `index` n.
public struct Source: Codable, Sendable {
    public let index: Int
    /// The file, relative to the folder that was indexed with it or as it was named.
    public let file: String
    /// First and last line of the passage in the file, counted from 1.
    public let lines: [Int]
    public let heading: String?
    public let text: String
    public let score: Double

    public init(index: Int, file: String, lines: [Int], heading: String?, text: String, score: Double) {
        self.index = index
        self.file = file
        self.lines = lines
        self.heading = heading
        self.text = text
        self.score = score
    }
}

/// The answer of `POST /query`.
public struct QueryResponse: Codable, Sendable {
    /// The reference's view of a source.
    public struct Context: Codable, Sendable {
        public let score: Double
        public let doc_id: String
        public let chunk_id: String

        public init(score: Double, doc_id: String, chunk_id: String) {
            self.score = score
            self.doc_id = doc_id
            self.chunk_id = chunk_id
        }
    }

    public let answer: String
    /// Whether the documents hold an answer.
    public let answered: Bool
    public let sources: [Source]
    public let context: [Context]
    public let usage: Usage?
    public var cached: Bool
    public var response_time_ms: Int

    public init(
        answer: String, answered: Bool, sources: [Source], context: [Context], usage: Usage?, cached: Bool, response_time_ms: Int
    ) {
        self.answer = answer
        self.answered = answered
        self.sources = sources
        self.context = context
        self.usage = usage
        self.cached = cached
        self.response_time_ms = response_time_ms
    }
}

/// `POST /search`: the passages alone, without an answer.
public struct SearchResponse: Codable, Sendable {
    public let sources: [Source]
    /// Whether the passages can hold the answer.
    public let answerable: Bool
    /// What that verdict rests on; larger is better.
    public let evidence: Double
    public let response_time_ms: Int

    public init(sources: [Source], answerable: Bool, evidence: Double, response_time_ms: Int) {
        self.sources = sources
        self.answerable = answerable
        self.evidence = evidence
        self.response_time_ms = response_time_ms
    }
}

/// An event of a streamed answer.
public enum QueryEvent: Sendable {
    case sources([Source])
    case delta(String)
    case done(QueryResponse)
}
