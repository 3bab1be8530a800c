import HTTPTypes
import Logging
import ServiceKit
import SuiteAPI

/// What is remembered goes to the model with the question, and the turn is kept once it is answered.
struct ChatMemory: Sendable {
    /// The beginning of a question that memory is searched for.
    private static let queryBytes = 4_096
    /// What memory-api takes of a question.
    private static let questionBytes = 256 << 10

    let client: MemoryClient
    let keeper: TurnKeeper
    /// Characters that what is remembered may have.
    let budget: Int

    /// A chat with what memory adds to it.
    struct Chat: Sendable {
        private(set) var body: CompletionBody
        let request: MemoryRequest
        /// What the user said last; `nil` when that is no text.
        let question: String?
        /// What the client is told.
        private(set) var headers: HTTPFields
        /// The body as the client sent it, where something was added.
        fileprivate var bare: CompletionBody?

        /// Whether the model is told more than the client said.
        var isEnriched: Bool { bare != nil }

        /// The chat with what the client said alone.
        var withoutMemories: Chat {
            var chat = self
            chat.body = bare ?? body
            chat.headers[.xMemoryUsed] = "0"
            chat.bare = nil
            return chat
        }
    }

    /// Recalls what belongs to the question and puts it before the model. The chat goes on when memory does not answer.
    ///
    /// - Throws: 400 or 404 for a project that cannot be the caller's.
    func recall(_ request: MemoryRequest, for body: CompletionBody, logger: Logger) async throws -> Chat {
        let messages = try ChatMessages(body.bytes)
        let asked = body
        var (body, headers) = (body, HTTPFields())
        var bare: CompletionBody?
        headers[.xMemory] = request.mayKeep ? "on" : "read-only"
        headers[.xMemoryUsed] = "0"
        guard let question = messages.lastUserText else {
            return Chat(body: body, request: request, question: nil, headers: headers)
        }
        do {
            let recalled = try await client.recall(
                RecallRequest(
                    query: question.prefix(bytes: Self.queryBytes), project_id: request.project, user_id: request.user, max_chars: budget))
            headers[.xMemoryUsed] = "\(recalled.conversation_ids.count)"
            if !recalled.text.isEmpty {
                body.bytes = try messages.adding(recalled.text)
                bare = asked
            }
        } catch let error as UpstreamError {
            if let refusal = Self.refusal(error, of: request.project) { throw refusal }
            logger.warning("memory does not answer; the chat goes on without it", metadata: ["cause": "\(error)"])
            headers[.xMemory] = "unavailable"
            headers[.xMemoryUsed] = nil
        }
        return Chat(body: body, request: request, question: question, headers: headers, bare: bare)
    }

    /// What sees the answer pass by and has the turn kept; `nil` where there is nothing to keep.
    func witness(of chat: Chat, status: Int, isStream: Bool, since start: ContinuousClock.Instant) -> (any Relay.Witness)? {
        guard chat.request.mayKeep, let question = chat.question, (200..<300).contains(status) else { return nil }
        let (keeper, scope) = (keeper, RequestScope.current)
        return AnswerWitness(isStream: isStream) { answer in
            guard let answer else { return keeper.drop("an answer was too large to be read") }
            guard let text = answer.text else { return }
            keeper.keep(
                SaveConversationRequest(
                    user_query: question.prefix(bytes: Self.questionBytes), ai_response: text, model_used: chat.body.model,
                    session_id: chat.request.session, token_count: answer.tokens,
                    response_time_ms: Int(start.duration(to: .now).milliseconds), project_id: chat.request.project,
                    user_id: chat.request.user), scope: scope)
        }
    }

    /// A project that the client named and may not use is the client's mistake; everything else is no reason to refuse a chat.
    private static func refusal(_ error: UpstreamError, of project: String?) -> ServiceError? {
        guard project != nil, error.status == 404 || error.status == 422 else { return nil }
        return ServiceError(
            error.status == 404 ? .notFound : .badRequest, code: error.code ?? "invalid_header",
            "The header “\(ChatMemoryHeaders.project)”: \(error.message)", parameter: ChatMemoryHeaders.project)
    }
}
