import Foundation
import HTTPTypes
import Logging
import ServiceKit
import Suite
import SuiteAPI

/// From a question to an answer with its sources.
struct AnswerQuestion: Sendable {
    let search: HybridSearch
    let chat: ChatClient
    let embedding: EmbeddingClient
    let cache: AnswerCache
    let log: SearchLog
    let settings: Settings
    let logger: Logger

    /// The passages for a question, and whether they can hold its answer.
    func find(_ request: QueryRequest) async throws -> (sources: [Source], found: HybridSearch.Found) {
        let question = request.query.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !question.isEmpty else { throw ServiceError.invalid("“query” is empty.", parameter: "query") }
        guard question.count <= 4_000 else { throw ServiceError.invalid("“query” has more than 4000 characters.", parameter: "query") }
        let limit = request.topk ?? settings[SettingKeys.ragTopK]
        guard (1...100).contains(limit) else { throw ServiceError.invalid("“topk” must be from 1 to 100.", parameter: "topk") }
        let found = try await search.run(
            question, in: try RetrievalService.permitted(request.collection ?? settings[SettingKeys.ragDefaultCollection]), limit: limit)
        let sources = zip(found.passages, found.scores).enumerated().map { index, pair in
            Source(
                index: index + 1, file: pair.0.file, lines: [pair.0.lines.lowerBound, pair.0.lines.upperBound], heading: pair.0.heading,
                text: pair.0.text,
                score: pair.1)
        }
        return (sources, found)
    }

    /// Answers a question: as before where nothing has changed since, from the documents otherwise.
    ///
    /// - Parameter event: told of the sources, then of the answer's text as it is made.
    /// - Throws: 504 when the model does not finish within `RAG_LLM_TIMEOUT`; 503 when what is needed is away.
    func answer(
        _ request: QueryRequest, event: @escaping @Sendable (QueryEvent) async throws -> Void = { _ in }
    ) async throws -> QueryResponse {
        let start = ContinuousClock.now
        let collection = try RetrievalService.permitted(request.collection ?? settings[SettingKeys.ragDefaultCollection])
        let key = AnswerCache.Key(
            request.query, collection: collection, version: try await search.database.version(of: collection),
            limit: request.topk ?? settings[SettingKeys.ragTopK], settings: settings)
        if request.cache != false, var kept = try await cache.answer(for: key) {
            kept.cached = true
            kept.response_time_ms = Int(start.duration(to: .now).milliseconds)
            try await event(.sources(kept.sources))
            try await event(.delta(kept.answer))
            await remember(request.query, collection, kept, llmMilliseconds: nil)
            await tolerating("a use of a kept answer could not be counted") { try await cache.countUse(of: key) }
            return kept
        }
        let (response, llmMilliseconds) = try await fresh(request, since: start, event: event)
        await tolerating("an answer could not be kept") { try await cache.keep(response, for: key) }
        await remember(request.query, collection, response, llmMilliseconds: llmMilliseconds)
        return response
    }

    private func remember(_ query: String, _ collection: String, _ response: QueryResponse, llmMilliseconds: Int?) async {
        await tolerating("a search could not be counted") {
            try await log.record(query, in: collection, response, llmMilliseconds: llmMilliseconds)
        }
    }

    /// What cannot be written down, such as on a full disk, is told in the log and does not cost the answer.
    private func tolerating(_ failure: Logger.Message, _ work: () async throws -> Void) async {
        do {
            try await work()
        } catch {
            logger.error(failure, metadata: ["cause": "\(error)"])
        }
    }

    /// An answer made anew, and the time the model took for it.
    private func fresh(
        _ request: QueryRequest, since start: ContinuousClock.Instant, event: @escaping @Sendable (QueryEvent) async throws -> Void
    ) async throws -> (QueryResponse, llmMilliseconds: Int?) {
        let language = Language(of: request.query)
        let (all, found) = try await find(request)
        func response(_ text: String, answered: Bool, _ sources: [Source], _ usage: Usage?) -> QueryResponse {
            QueryResponse(
                answer: text, answered: answered, sources: sources,
                context: zip(sources, found.passages).map { .init(score: $0.score, doc_id: $0.file, chunk_id: $1.id) }, usage: usage,
                cached: false,
                response_time_ms: Int(start.duration(to: .now).milliseconds))
        }
        guard Answerability.holds(found) else {
            try await event(.delta(language.noAnswer))
            return (response(language.noAnswer, answered: false, all, nil), nil)
        }
        let sources = try await fitting(all)
        try await event(.sources(sources))
        let prompt = AnswerPrompt(question: request.query, language: language, sources: sources)
        let asked = ContinuousClock.now
        let limit = settings[SettingKeys.ragLLMTimeout]
        let (text, usage): (String, Usage?)
        do {
            (text, usage) = try await withDeadline(.seconds(limit)) { try await generate(prompt, event: event) }
        } catch is DeadlineExceeded {
            throw ServiceError(
                .gatewayTimeout, code: "timeout", "The model did not finish within the \(limit) s that RAG_LLM_TIMEOUT allows.")
        }
        let took = Int(asked.duration(to: .now).milliseconds)
        guard !text.isEmpty, !language.admitsIgnorance(text) else {
            return (response(language.noAnswer, answered: false, sources, usage), took)
        }
        return (response(Citations.settle(text, sources: sources), answered: true, sources, usage), took)
    }

    /// The model's answer; asked once more when it is in the wrong language or holds numbers of its own making. Asking again costs little:
    /// the engine has all but the last lines read already.
    private func generate(_ prompt: AnswerPrompt, event: @Sendable (QueryEvent) async throws -> Void) async throws -> (String, Usage?) {
        var request = prompt.request(model: settings[SettingKeys.chatAlias], settings: settings)
        var text = ""
        var usage: Usage?
        for attempt in 1...2 {
            text = ""
            for try await chunk in try await chat.stream(request) {
                usage = chunk.usage ?? usage
                guard let part = chunk.choices.first?.delta.content, !part.isEmpty else { continue }
                text += part
                if attempt == 1 { try await event(.delta(part)) }
            }
            guard let objection = prompt.objection(to: text) else { break }
            request.messages.append(.init(role: "assistant", content: text))
            request.messages.append(.init(role: "user", content: objection))
        }
        return (text, usage)
    }

    /// What a passage's score must reach of the best one's to be read by the model. The passage that holds the answer is not lost by it
    /// (`maru eval retrieval`'s questions), and a third of what would be read is.
    private static let shareOfBest = 0.65

    /// The best passages that fit the context together; at least the first one.
    private func fitting(_ sources: [Source]) async throws -> [Source] {
        let counts = try await embedding.tokenCounts(sources.map(\.text)).counts
        var room = settings[SettingKeys.ragContextTokens]
        var kept: [Source] = []
        for (source, count) in zip(sources, counts) {
            room -= count
            guard kept.isEmpty || (room >= 0 && source.score >= Self.shareOfBest * sources[0].score) else { break }
            kept.append(source)
        }
        return kept
    }
}
