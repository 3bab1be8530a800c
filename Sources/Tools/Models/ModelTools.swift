import HTTPTypes
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI

/// The tools that ask the suite's own services.
public enum ModelTools {
    public static func all(settings: Settings, clients: SuiteClients) -> [any Tool] {
        [
            RAGSearch(clients: clients), AIChat(settings: settings, clients: clients), SwitchModel(clients: clients),
            CurrentModel(clients: clients),
        ]
    }
}

/// `rag_search`.
struct RAGSearch: Tool {
    let name = "rag_search"
    let clients: SuiteClients

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let query = arguments.string("query")
        await context.progress(0.1, "looking through the documents")
        let answer = try await Self.told {
            try await clients.retrieval.query(QueryRequest(query: query, collection: arguments.string("collection")))
        }
        let sources = answer.sources.map { "\($0.file):\($0.lines.map(String.init).joined(separator: "-"))" }
        return ToolResult(
            ["query": .string(query), "response": .string(answer.answer), "sources": .array(sources.map(JSONValue.string))],
            text: ([answer.answer] + sources).joined(separator: "\n"))
    }
}

extension Tool {
    /// What a service says of a call's own arguments (404, 409, 422) is the call's fault, not the service's.
    static func told<Value>(_ ask: () async throws -> Value) async throws -> Value {
        do {
            return try await ask()
        } catch let error as UpstreamError {
            guard let status = error.status, [400, 404, 409, 413, 422].contains(status) else { throw error }
            throw ServiceError(.init(code: status), code: error.code ?? "refused", error.message)
        }
    }
}

/// `ai_chat`.
struct AIChat: Tool {
    let name = "ai_chat"
    let settings: Settings
    let clients: SuiteClients

    /// Words by which a message is taken for one about code, when no model was named (the reference system's list B).
    private static let codeWords = [
        "code", "function", "class", "bug", "debug", "python", "javascript", "swift", "sql", "regex", "compile", "refactor", "algorithm",
        "코드", "함수", "클래스", "버그", "디버그", "프로그래밍", "알고리즘", "컴파일",
    ]

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let message = arguments.string("message")
        let isCode = Self.codeWords.contains { message.lowercased().contains($0) }
        let model = arguments.optionalString("model") ?? settings[isCode ? SettingKeys.codeAlias : SettingKeys.chatAlias]
        var text = ""
        let request = ChatRequest(model: model, messages: [.init(role: "user", content: message)], maxTokens: 512)
        for try await chunk in try await Self.told({ try await clients.chat.stream(request) }) {
            guard let part = chunk.choices.first?.delta.content else { continue }
            text += part
            // How long an answer will be nobody knows; the share only says that it moves.
            await context.progress(min(0.95, Double(text.utf8.count) / 2_048), "answering")
        }
        return ToolResult(["model": .string(model), "message": .string(message), "response": .string(text)], text: text)
    }
}

/// `get_current_model`.
struct CurrentModel: Tool {
    let name = "get_current_model"
    let clients: SuiteClients

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        async let chat = model(of: .inferenceChat)
        async let code = model(of: .inferenceCode)
        let (chatModel, codeModel) = await (chat, code)
        let text = "chat: \(chatModel ?? "not reachable"), code: \(codeModel ?? "not reachable")"
        return ToolResult(
            [
                "phase": "native", "chat_model": chatModel.map(JSONValue.string) ?? .null,
                "code_model": codeModel.map(JSONValue.string) ?? .null,
                "service_chat": .string(ServiceID.inferenceChat.rawValue), "service_code": .string(ServiceID.inferenceCode.rawValue),
            ], text: text)
    }

    private func model(of id: ServiceID) async -> String? {
        let health: JSONValue? = try? await clients.client(id, timeout: .seconds(3)).send(.GET, "/health")
        return health?["model"]?.stringValue
    }
}
