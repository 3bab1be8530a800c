import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging
import Metrics
import NIOCore
import NIOHTTP1
import ServiceKit

/// Takes a completion request to the first upstream that answers it.
struct Completion: Sendable {
    let table: RouteTable
    let relay: Relay
    let limits: Limits
    let memory: ChatMemory

    /// How long an upstream may take until its first byte.
    struct Limits: Sendable {
        /// Of an answer that is streamed: the first word is soon there, or something is wrong.
        let streamed: Duration
        /// Of one that comes whole: its first byte comes after its last word.
        let whole: Duration
    }

    /// Tries the upstreams in order. Once an answer has begun it is passed on as it comes, and nothing is tried again.
    ///
    /// - Throws: 400 for a bad body, 404 for an unknown model, 503 with `Retry-After` when no upstream answers.
    func answer(_ request: Request, _ context: CallContext, path: String) async throws -> Response {
        let start = ContinuousClock.now
        let body = try CompletionBody(try await request.bytes(context), path: path)
        guard body.isChat, let wish = try MemoryRequest(request.headers, context.caller) else {
            let (answer, upstream) = try await request.whileClientStays { try await begin(body, path, context) }
            return relay.response(answer) { Self.brokenStream($0, upstream: upstream) }
        }
        let (answer, upstream, chat) = try await request.whileClientStays {
            var chat = try await memory.recall(wish, for: body, logger: context.logger)
            var (answer, upstream) = try await begin(chat.body, path, context)
            if answer.head.status == .badRequest, chat.isEnriched {
                // What is remembered may be what makes it too long for the model. Asked without that, the mistake is the client's or none.
                _ = try? await answer.head.body.collect(upTo: 1 << 16)
                chat = chat.withoutMemories
                (answer, upstream) = try await begin(chat.body, path, context)
            }
            return (answer, upstream, chat)
        }
        let witness = memory.witness(of: chat, status: Int(answer.head.status.code), isStream: answer.isStream, since: start)
        var response = relay.response(answer, witness: witness) { Self.brokenStream($0, upstream: upstream) }
        response.headers.append(contentsOf: chat.headers)
        return response
    }

    /// The first answer that begins, and who gives it.
    private func begin(_ body: CompletionBody, _ path: String, _ context: CallContext) async throws -> (Relay.Answer, Upstream) {
        var causes: [String] = []
        for (number, upstream) in try await candidates(for: body.model).enumerated() {
            do {
                let answer = try await ask(upstream, path, body)
                if number > 0 { Counter(label: "gateway_failovers_total", dimensions: [("upstream", upstream.name)]).increment() }
                return (answer, upstream)
            } catch let error as UpstreamError {
                table.recordFailure(upstream)
                count(upstream, "failed")
                context.logger.warning("an upstream failed", metadata: ["upstream": "\(upstream.name)", "cause": "\(error)"])
                causes.append("\(error)")
            }
        }
        throw ServiceError.unavailable(
            "No model can answer now: " + causes.joined(separator: "; "), code: "no_upstream", retryAfter: .seconds(5))
    }

    /// The upstreams to try. One of them may know a name that the table does not: they are asked, though not by everybody who guesses.
    private func candidates(for model: String) async throws -> [Upstream] {
        do {
            return try table.candidates(for: model)
        } catch  where table.mayLearn() {
            await ModelNames(table: table).learn()
            return try table.candidates(for: model)
        }
    }

    /// An upstream's answer, when it is one for the client: a success, or the client's own mistake.
    private func ask(_ upstream: Upstream, _ path: String, _ body: CompletionBody) async throws -> Relay.Answer {
        let answer = try await relay.begin(
            upstream.call(path, body: body.bytes), headLimit: body.isStreamed ? limits.streamed : limits.whole)
        let status = Int(answer.head.status.code)
        guard status < 500, status != 408, status != 401 else {
            let told = try? await answer.head.body.collect(upTo: 1 << 16)
            throw UpstreamError(service: upstream.name, status: status, message: told.map { String(String(buffer: $0).prefix(300)) } ?? "")
        }
        table.recordSuccess(upstream)
        count(upstream, "answered")
        return answer
    }

    private func count(_ upstream: Upstream, _ outcome: String) {
        Counter(label: "gateway_upstream_requests_total", dimensions: [("upstream", upstream.name), ("outcome", outcome)]).increment()
    }

    /// What stands in a stream whose upstream broke off: an error event, and no `[DONE]`.
    private static func brokenStream(_ error: any Error, upstream: Upstream) -> String {
        let failure = ServiceError(
            .badGateway, code: "upstream_broke_off", "\(upstream.name) broke off in the middle of its answer. Ask again.")
        return SSE.event(String(decoding: ErrorShape.openAI.body(of: failure, requestID: ""), as: UTF8.self))
    }
}

/// A request body, checked as far as the gateway must understand it.
struct CompletionBody: Sendable {
    let model: String
    /// Whether the answer is to come as it is written.
    let isStreamed: Bool
    let isChat: Bool
    var bytes: ByteBuffer

    /// - Throws: 400 naming what is wrong.
    init(_ bytes: ByteBuffer, path: String) throws {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes.readableBytesView)), case .object(let members) = value
        else {
            throw ServiceError.badRequest("The body must be a JSON object.", code: "invalid_json")
        }
        guard let model = members["model"]?.stringValue, !model.isEmpty else {
            throw ServiceError.badRequest("“model” must name a model; GET /v1/models lists them.", parameter: "model")
        }
        isChat = path.hasSuffix("/chat/completions")
        if isChat {
            guard let messages = members["messages"]?.arrayValue, !messages.isEmpty, messages.allSatisfy({ $0["role"]?.stringValue != nil })
            else {
                throw ServiceError.badRequest("“messages” must be a list of at least one message with a role.", parameter: "messages")
            }
        }
        for name in ["max_tokens", "max_completion_tokens", "n"] {
            guard let value = members[name], value != .null else { continue }
            guard let number = value.intValue, number > 0 else {
                throw ServiceError.badRequest("“\(name)” must be a positive whole number.", parameter: name)
            }
        }
        for name in ["temperature", "top_p"] {
            guard let value = members[name], value != .null else { continue }
            guard value.doubleValue != nil else { throw ServiceError.badRequest("“\(name)” must be a number.", parameter: name) }
        }
        if let stream = members["stream"], stream != .null, stream.boolValue == nil {
            throw ServiceError.badRequest("“stream” must be true or false.", parameter: "stream")
        }
        self.model = model
        isStreamed = members["stream"]?.boolValue == true
        self.bytes = bytes
    }
}
