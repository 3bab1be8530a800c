import AsyncHTTPClient
import ServiceKit
import Suite

/// The clients of all services, addressed and authorised as the settings say.
public struct SuiteClients: Sendable {
    private let settings: Settings
    private let key: String?
    private let http: HTTPClient

    /// - Parameter key: the key that calls are made with; `nil` where development mode lets local callers in without.
    public init(settings: Settings, key: String?, http: HTTPClient = .suite) {
        self.settings = settings
        self.key = key
        self.http = http
    }

    /// A client of any service of the catalogue.
    ///
    /// - Parameter headers: sent with every request.
    public func client(
        _ id: ServiceID, timeout: Duration = .seconds(30), retry: RetryPolicy = .never, headers: [(String, String)] = []
    ) -> ServiceClient {
        ServiceClient(
            name: id.rawValue, baseURL: settings.baseURL(of: id), key: key, headers: headers, timeout: timeout, retry: retry, http: http)
    }

    public var chat: ChatClient { chat(memory: nil) }

    /// - Parameter memory: what the gateway is to remember, and to recall; `nil` leaves that to the key.
    public func chat(memory: ChatMemoryHeaders?) -> ChatClient {
        ChatClient(
            client(.gateway, timeout: .seconds(settings[SettingKeys.requestTimeout]), headers: memory?.fields ?? []))
    }

    /// The chat or the code service. A switch takes as long as answers that end, a model that loads, and the one before where it does not.
    public func inference(_ id: ServiceID) -> InferenceClient {
        InferenceClient(client(id, timeout: .seconds(max(settings[SettingKeys.requestTimeout], 660))))
    }

    public var embedding: EmbeddingClient { embedding(timeout: .seconds(120), retry: RetryPolicy(attempts: 3)) }

    /// The same with other limits.
    public func embedding(timeout: Duration, retry: RetryPolicy) -> EmbeddingClient {
        EmbeddingClient(
            client(.embedding, timeout: timeout, retry: retry), characters: settings[SettingKeys.embeddingMaxChars])
    }

    /// Users, roles, keys, the audit log and the sandbox of the tool server, on a port of their own.
    public var administration: ServiceClient {
        ServiceClient(
            name: ServiceID.mcpServer.rawValue, baseURL: "http://\(settings.hostInURL):\(settings[SettingKeys.mcpSecurityPort])", key: key,
            http: http)
    }

    public var tools: ToolClient { ToolClient(client(.mcpServer, timeout: .seconds(settings[SettingKeys.requestTimeout]))) }

    public var retrieval: RetrievalClient { RetrievalClient(client(.rag, timeout: .seconds(3_600))) }

    /// This stack's vector store, or the Qdrant that `QDRANT_URL` names.
    public var vectors: VectorStoreClient {
        vectors(timeout: .seconds(60), retry: RetryPolicy(attempts: settings[SettingKeys.qdrantMaxRetries] + 1))
    }

    /// The same with other limits.
    public func vectors(timeout: Duration, retry: RetryPolicy) -> VectorStoreClient {
        let elsewhere = settings[SettingKeys.qdrantURL]
        guard !elsewhere.isEmpty else { return VectorStoreClient(client(.qdrant, timeout: timeout, retry: retry)) }
        let key = settings[SettingKeys.qdrantAPIKey]
        let client = ServiceClient(
            name: "qdrant", baseURL: elsewhere, key: key.isEmpty ? nil : key, timeout: timeout, retry: retry, http: http)
        return VectorStoreClient(client, key: key.isEmpty ? nil : key)
    }
}
