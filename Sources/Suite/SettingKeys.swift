/// Who is believed about who they are.
public enum SecurityMode: String, CaseIterable, Sendable {
    /// Local calls without a key act as the developer user.
    case development
    /// Keys alone are trusted.
    case production
}

/// How much the services log.
public enum LogLevel: String, CaseIterable, Sendable { case trace, debug, info, notice, warning, error, critical }

/// Every setting of the suite. Names and defaults are those of the reference system where it had one, with loopback as the default bind.
public enum SettingKeys {
    // MARK: Addresses
    public static let host = Setting.text(
        "HOST", "127.0.0.1", "Address that every service binds. Anything but a loopback address needs SECURITY_MODE=production.")
    public static let gatewayPort = Setting.port("API_GATEWAY_PORT", 8000, "Port of the gateway.")
    public static let inferenceChatPort = Setting.port("INFERENCE_CHAT_PORT", 8001, "Port of the chat model.")
    public static let inferenceCodePort = Setting.port("INFERENCE_CODE_PORT", 8004, "Port of the code model.")
    public static let ragPort = Setting.port("RAG_PORT", 8002, "Port of retrieval.")
    public static let embeddingPort = Setting.port("EMBEDDING_PORT", 8003, "Port of the embedding service.")
    public static let memoryPort = Setting.port("MEMORY_PORT", 8005, "Port of the memory service.")
    public static let mcpPort = Setting.port("MCP_PORT", 8020, "Port of the tool server.")
    public static let qdrantPort = Setting.port("QDRANT_PORT", 6333, "Port of the vector store.")
    public static let allowedHosts = Setting.text(
        "ALLOWED_HOSTS", "", "Names, separated by commas, that the Host header may carry besides localhost and HOST.")
    public static let allowedOrigins = Setting.text(
        "ALLOWED_ORIGINS", "", "Origins of web pages, separated by commas, that may call the services from a browser.")

    // MARK: Folders and logs
    public static let dataDirectory = Setting.text(
        "DATA_DIR", "", "Where everything the stack keeps lies; `data` beside the .env in force, or ~/.maru without one.")
    public static let modelsDirectory = Setting.text("MODELS_DIR", "./models", "Where model files lie.")
    public static let logLevel = Setting<LogLevel>.choice("LOG_LEVEL", .info, "How much the services log.")

    // MARK: Security and bounds
    public static let securityMode = Setting<SecurityMode>.choice(
        "SECURITY_MODE", .development,
        "development: local calls without a key act as the developer user; production: keys alone are trusted.")
    public static let maxBodyBytes = Setting.integer(
        "MAX_BODY_BYTES", 16_777_216, in: 1_024...1_073_741_824, "Largest request body a service reads, in bytes.")
    public static let maxConcurrentRequests = Setting.integer(
        "MAX_CONCURRENT_REQUESTS", 256, in: 1...65_536, "Requests that a service works on at once; more are answered 503 with Retry-After.")
    public static let requestTimeout = Setting.integer(
        "REQUEST_TIMEOUT", 300, in: 1...86_400, "Seconds after which a service gives up on a request.")

    // MARK: Memory
    public static let defaultProject = Setting.projectID(
        "DEFAULT_PROJECT_ID", "",
        "Project whose memory is meant when none is named, and that everybody with a key then shares; empty: each user's own, `user-` and the user's id."
    )
    public static let memoryRecallChars = Setting.integer(
        "MEMORY_RECALL_CHARS", 2_000, in: 200...32_000, "Characters of memories that the gateway gives a model with a question.")
    public static let memorySyncInterval = Setting.integer(
        "MEMORY_SYNC_INTERVAL", 300, in: 1...86_400, "Seconds between two looks of the maintainer for vectors that are not written yet.")
    public static let memoryExpiryInterval = Setting.integer(
        "TTL_CHECK_INTERVAL", 3_600, in: 1...86_400, "Seconds between two looks of the maintainer for what is past its time.")
    public static let memoryDigestInterval = Setting.integer(
        "MEMORY_DIGEST_INTERVAL", 900, in: 1...86_400,
        "Seconds between two looks of the maintainer for facts and preferences in what was said, by the chat model.")
    public static let memoryBackupTime = Setting.time(
        "MEMORY_BACKUP_CRON", .night, "Time of day, in the machine's time zone, at which every memory is backed up.")

    // MARK: Inference
    public static let llamaServer = Setting.text(
        "LLAMA_SERVER", "", "The llama-server to run; empty: the one on PATH, else the managed engine.")
    public static let chatModel = Setting.text(
        "CHAT_MODEL", "", "Chat model: a name of `maru models list` or a file in MODELS_DIR; empty: the best that fits this machine.")
    public static let codeModel = Setting.text("CODE_MODEL", "", "Code model, as CHAT_MODEL.")
    public static let gpuLayers = Setting.integer(
        "LLAMA_N_GPU_LAYERS", 999, in: 0...999, "Layers put on the GPU at the most; the memory plan lowers it to what fits.")
    public static let llamaThreads = Setting.integer("LLAMA_THREADS", 0, in: 0...512, "Threads of each model; 0: physical cores less one.")
    public static let llamaContext = Setting.integer(
        "LLAMA_CTX", 4096, in: 512...1_048_576,
        "Context of each model, in tokens; never more than the model was trained with or memory holds.")
    public static let llamaBatch = Setting.integer("LLAMA_BATCH", 512, in: 32...16_384, "Tokens of a prompt read at once.")
    public static let llamaParallel = Setting.integer(
        "LLAMA_PARALLEL", 1, in: 1...64, "Conversations a model serves at once; they share the context.")

    // MARK: Gateway
    public static let chatAlias = Setting.name("API_GATEWAY_CHAT_MODEL", "chat-7b", "Name under which the gateway offers the chat model.")
    public static let codeAlias = Setting.name("API_GATEWAY_CODE_MODEL", "code-7b", "Name under which the gateway offers the code model.")
    public static let llmRequestTimeout = Setting.integer(
        "LLM_REQUEST_TIMEOUT", 60, in: 1...3_600,
        "Seconds the gateway waits for the first byte of a streamed answer; for one that comes whole it is REQUEST_TIMEOUT.")
    public static let llmConnectTimeout = Setting.integer(
        "LLM_CONNECT_TIMEOUT", 10, in: 1...600, "Seconds the gateway waits for a connection to an upstream.")

    // MARK: Embedding
    public static let embeddingModel = Setting.text(
        "EMBEDDING_MODEL", "multilingual-e5-small", "Embedding model: a name of `maru models list` or a file in MODELS_DIR.")
    public static let embeddingEngine = Setting.text(
        "EMBEDDING_ENGINE", "",
        "What embeds; empty: on a CPU the managed encoder, if it is there and knows the model, else llama-server; `llama-server`; or a program's path."
    )
    public static let embeddingBatchSize = Setting.integer(
        "EMBEDDING_BATCH_SIZE", 64, in: 1...1_024,
        "Texts of a batch at the most; a batch holds texts of all calls that wait, and no more tokens than the longest text may have.")
    public static let embeddingNormalize = Setting.flag("EMBEDDING_NORMALIZE", true, "Whether vectors are scaled to length 1.")
    public static let embeddingThreads = Setting.integer(
        "EMBEDDING_THREADS", 0, in: 0...512, "Threads of the embedding model; 0: physical cores less one.")
    public static let embeddingMaxTexts = Setting.integer(
        "EMBEDDING_MAX_TEXTS", 1_024, in: 1...65_536, "Texts a request may hold; more are refused with 413.")
    public static let embeddingMaxChars = Setting.integer(
        "EMBEDDING_MAX_CHARS", 8_000, in: 1...1_000_000, "Characters a text may have; a longer one is refused with 413.")

    // MARK: Vectors
    public static let qdrantURL = Setting.url("QDRANT_URL", "", "A Qdrant elsewhere; empty: the vector store of this stack.")
    public static let qdrantAPIKey = Setting.text("QDRANT_API_KEY", "", "Key for a Qdrant elsewhere.", secret: true)
    public static let qdrantMaxRetries = Setting.integer(
        "QDRANT_MAX_RETRIES", 3, in: 0...20, "Times a call to the vector store is repeated while it does not answer.")

    // MARK: Retrieval
    public static let ragTopK = Setting.integer("RAG_TOPK", 4, in: 1...100, "Passages that an answer is built on.")
    public static let ragChunkSize = Setting.integer(
        "RAG_CHUNK_SIZE", 384, in: 32...8_192, "Length of a passage, in the embedding model's tokens; never more than the model reads.")
    public static let ragChunkOverlap = Setting.integer(
        "RAG_CHUNK_OVERLAP", 48, in: 0...4_096, "Tokens that a passage repeats of the one before it.")
    public static let ragDefaultCollection = Setting.name("RAG_DEFAULT_COLLECTION", "default", "Collection used when a request names none.")
    public static let ragLLMTimeout = Setting.integer(
        "RAG_LLM_TIMEOUT", 120, in: 1...3_600, "Seconds retrieval waits for the model's answer.")
    public static let ragLLMMaxTokens = Setting.integer("RAG_LLM_MAX_TOKENS", 256, in: 1...16_384, "Tokens an answer may have.")
    public static let ragLLMTemperature = Setting.number("RAG_LLM_TEMPERATURE", 0.1, in: 0...2, "Sampling temperature of answers.")
    public static let ragContextTokens = Setting.integer(
        "RAG_CONTEXT_TOKENS", 600, in: 64...65_536, "Tokens of passages that the model is given.")
    public static let ragCacheHours = Setting.integer(
        "RAG_CACHE_HOURS", 6, in: 0...720,
        "Hours for which the answer to a question is given again while its documents stay the same; 0: never.")
    public static let ragAnalyticsDays = Setting.integer("RAG_ANALYTICS_DAYS", 30, in: 1...3_650, "Days for which searches are counted.")
    public static let ragAnalyticsQueries = Setting.flag(
        "RAG_ANALYTICS_QUERIES", false, "Whether the words of questions are kept with the counts; without, only a hash is.")
    public static let documentsDirectory = Setting.text("DOCUMENTS_DIR", "./documents", "Folder that is indexed when a request names none.")
}

extension SettingKeys {
    // MARK: Identity, roles, approvals
    public static let apiKey = Setting.text(
        "MARU_API_KEY", "", "Key that commands are made with; empty: the administrator's, where this user may read it.", secret: true)
    public static let mcpSecurityPort = Setting.port(
        "MCP_SECURITY_PORT", 8021, "Port of the administration of users, roles, keys and audit.")
    public static let rbacEnabled = Setting.flag(
        "RBAC_ENABLED", true, "Whether tools are bound to permissions. Off is reported in the log, in /health and by `maru verify`.")
    public static let rateLimitEnabled = Setting.flag("RATE_LIMIT_ENABLED", true, "Whether calls of tools are limited; off is reported.")
    public static let approvalEnabled = Setting.flag(
        "APPROVAL_WORKFLOW_ENABLED", true, "Whether tools of high sensitivity need somebody's approval; off is reported.")
    public static let approvalTimeout = Setting.integer(
        "APPROVAL_TIMEOUT", 300, in: 1...604_800, "Seconds until a request that nobody decided, or an approval that nobody used, expires.")
    public static let approvalMaxPending = Setting.integer(
        "APPROVAL_MAX_PENDING", 50, in: 1...10_000, "Requests that may wait for a decision; more are refused with 403 at once.")
    public static let auditRetentionDays = Setting.integer(
        "AUDIT_RETENTION_DAYS", 90, in: 1...36_500, "Days for which the audit log is kept.")
    public static let notificationEnabled = Setting.flag("NOTIFICATION_ENABLED", false, "Whether approvals are told of by e-mail.")
    public static let smtpHost = Setting.text("SMTP_HOST", "localhost", "Mail server.")
    public static let smtpPort = Setting.port("SMTP_PORT", 587, "Port of the mail server.")
    public static let smtpUseTLS = Setting.flag("SMTP_USE_TLS", true, "Whether mail goes out only after STARTTLS.")
    public static let smtpTLSVerify = Setting.flag(
        "SMTP_TLS_VERIFY", true, "Whether the mail server's certificate has to be valid; off only for a server on this machine.")
    public static let smtpUser = Setting.text("SMTP_USER", "", "User at the mail server; empty: no login.")
    public static let smtpPassword = Setting.text("SMTP_PASSWORD", "", "Password at the mail server.", secret: true)
    public static let emailFrom = Setting.text("EMAIL_FROM", "admin@localhost", "Sender of mail.")
    public static let emailTo = Setting.text("EMAIL_TO", "operator@localhost", "Who is told, separated by commas.")

    // MARK: Tools
    public static let projectRoot = Setting.text(
        "PROJECT_ROOT", "",
        "Folder that the file and git tools work in; the folder of the .env in force, or `workspace` in DATA_DIR without one.")
    public static let allowedRoots = Setting.text(
        "ALLOWED_ROOTS", "", "More folders, separated by commas, that the file and git tools may open.")
    public static let mcpMaxSessions = Setting.integer(
        "MCP_MAX_SESSIONS", 1_000, in: 1...100_000, "Sessions of MCP clients that may be open at once.")
    public static let mcpSessionTimeout = Setting.integer(
        "MCP_SESSION_TIMEOUT", 3_600, in: 10...604_800, "Seconds after which a session that is not used ends.")
    public static let chromium = Setting.text("CHROMIUM", "", "The Chromium or Chrome to run; empty: the one on PATH.")
    public static let webTimeout = Setting.integer("WEB_TIMEOUT", 30, in: 1...300, "Seconds a page may take to load.")
    public static let webMaxBytes = Setting.integer(
        "WEB_MAX_BYTES", 33_554_432, in: 65_536...1_073_741_824, "Bytes a page may load, with all that belongs to it.")
    public static let webMaxBrowsers = Setting.integer("WEB_MAX_BROWSERS", 2, in: 1...32, "Browsers that run at once; others wait.")
    public static let webAllowedHosts = Setting.text(
        "WEB_ALLOWED_HOSTS", "", "host:port, separated by commas, that web tools may open although they lie in a private network.")
    public static let notionToken = Setting.text(
        "NOTION_TOKEN", "", "Token of a Notion integration; empty: Notion tools are refused.", secret: true)
    public static let notionURL = Setting.url("NOTION_API_URL", "https://api.notion.com", "Where Notion's API is.")

    // MARK: Sandbox
    public static let sandboxEnabled = Setting.flag(
        "SANDBOX_ENABLED", true, "Whether code may be run in the sandbox. Off: tools that run code are refused, and that is reported.")
    public static let sandboxWorkspace = Setting<SandboxWorkspace>.choice(
        "SANDBOX_WORKSPACE", .read, "Whether shell commands in the sandbox see the workspace, secrets left out: read or none.")
    public static let sandboxMemory = Setting.integer(
        "SANDBOX_MAX_MEMORY_MB", 512, in: 32...1_048_576, "Memory of a run, in MiB.")
    public static let sandboxCPUTime = Setting.integer("SANDBOX_MAX_CPU_TIME", 30, in: 1...3_600, "Seconds of processor time of a run.")
    public static let sandboxOutput = Setting.integer(
        "SANDBOX_MAX_OUTPUT_SIZE", 1_048_576, in: 1_024...67_108_864, "Bytes that are kept of each of a run's outputs.")
    public static let sandboxFileSize = Setting.integer(
        "SANDBOX_MAX_FILE_SIZE", 10_485_760, in: 4_096...1_073_741_824, "Bytes of a file that a run writes.")
    public static let sandboxProcesses = Setting.integer(
        "SANDBOX_MAX_PROCESSES", 64, in: 1...4_096, "Processes and threads of a run.")
    public static let sandboxConcurrent = Setting.integer("SANDBOX_MAX_CONCURRENT", 4, in: 1...256, "Runs at once; others wait.")
}

/// What shell commands in the sandbox see of the workspace.
public enum SandboxWorkspace: String, CaseIterable, Sendable { case none, read }

extension SettingKeys {
    /// Every setting, in the order of the docs.
    public static let all: [any SettingDescription] = [
        host, gatewayPort, inferenceChatPort, inferenceCodePort, ragPort, embeddingPort, memoryPort, mcpPort, qdrantPort, allowedHosts,
        allowedOrigins, dataDirectory, modelsDirectory, logLevel, securityMode, maxBodyBytes, maxConcurrentRequests, requestTimeout,
        llamaServer, chatModel, codeModel, gpuLayers, llamaThreads, llamaContext, llamaBatch, llamaParallel, chatAlias, codeAlias,
        llmRequestTimeout, llmConnectTimeout, embeddingModel, embeddingEngine, embeddingBatchSize, embeddingNormalize, embeddingThreads,
        embeddingMaxTexts, embeddingMaxChars, qdrantURL, qdrantAPIKey, qdrantMaxRetries, ragTopK, ragChunkSize, ragChunkOverlap,
        ragDefaultCollection,
        ragLLMTimeout, ragLLMMaxTokens, ragLLMTemperature, ragContextTokens, ragCacheHours, ragAnalyticsDays, ragAnalyticsQueries,
        documentsDirectory, defaultProject, memoryRecallChars, memorySyncInterval, memoryExpiryInterval, memoryDigestInterval,
        memoryBackupTime, apiKey,
        mcpSecurityPort, rbacEnabled, rateLimitEnabled, approvalEnabled,
        approvalTimeout, approvalMaxPending,
        auditRetentionDays, notificationEnabled, smtpHost, smtpPort, smtpUseTLS, smtpTLSVerify, smtpUser, smtpPassword, emailFrom, emailTo,
        projectRoot,
        allowedRoots, mcpMaxSessions, mcpSessionTimeout, chromium, webTimeout, webMaxBytes, webMaxBrowsers, webAllowedHosts, notionToken,
        notionURL,
        sandboxEnabled, sandboxWorkspace, sandboxMemory, sandboxCPUTime, sandboxOutput, sandboxFileSize, sandboxProcesses,
        sandboxConcurrent,
    ]
}
