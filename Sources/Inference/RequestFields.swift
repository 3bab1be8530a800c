import Foundation
import ServiceKit

/// The request fields that may reach an engine. Everything else is left out: some of what llama-server understands harms its host
/// (`n_discard` overflows a heap), reads other conversations (`id_slot`), or loads files (`lora`).
enum RequestFields {
    /// OpenAI's chat and completion fields that a local engine can honour, and the harmless sampling fields of llama.cpp.
    static let completion: Set<String> = [
        "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stream", "stream_options",
        "stop", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "seed", "tools", "tool_choice",
        "parallel_tool_calls", "response_format", "suffix", "echo", "user", "top_k", "min_p", "repeat_penalty", "cache_prompt",
        "reasoning_effort", "chat_template_kwargs",
    ]

    /// llama-server's fields for turning text into tokens and back.
    static let tokens: Set<String> = ["content", "add_special", "parse_special", "with_pieces", "tokens"]

    /// What one request may ask for.
    struct Bounds: Sendable {
        /// Tokens of prompt and answer together.
        let context: Int
        /// Answers to one prompt.
        let choices: Int
    }

    /// The same completion request with the allowed fields alone, for the model that is served, and within bounds: an answer that may
    /// be longer than the context, or has no limit, ends with the context.
    ///
    /// - Throws: 400 when the body is not a JSON object, or a bound is not a positive whole number.
    static func completion(_ body: some Sequence<UInt8>, model: String, bounds: Bounds) throws -> Data {
        var members = try JSONMembers(body)
        members.keep(completion)
        members.set("model", to: String(decoding: try JSONEncoder.wire.encode(model), as: UTF8.self))
        let limits = try ["max_tokens", "max_completion_tokens"].compactMap { name in
            try positive(name, in: &members).map { (name, $0) }
        }
        for (name, limit) in limits where limit > bounds.context { members.set(name, to: String(bounds.context)) }
        if limits.isEmpty { members.set("max_tokens", to: String(bounds.context)) }
        if let choices = try positive("n", in: &members), choices > bounds.choices {
            throw ServiceError.badRequest(
                "“n” is \(choices); this model gives \(bounds.choices) answers at once at the most (LLAMA_PARALLEL).", parameter: "n")
        }
        return try members.json()
    }

    /// The same request for tokens with the allowed fields alone.
    ///
    /// - Throws: 400 when the body is not a JSON object.
    static func tokens(_ body: some Sequence<UInt8>) throws -> Data {
        var members = try JSONMembers(body)
        members.keep(tokens)
        return try members.json()
    }

    /// A field that must be a positive whole number where it is given; `null` counts as not given.
    private static func positive(_ name: String, in members: inout JSONMembers) throws -> Int? {
        guard let text = members[name]?.trimmingCharacters(in: .whitespacesAndNewlines) else { return nil }
        guard text != "null" else {
            members.remove(name)
            return nil
        }
        guard let number = Int(text), number > 0 else {
            throw ServiceError.badRequest("“\(name)” must be a positive whole number.", parameter: name)
        }
        return number
    }
}
