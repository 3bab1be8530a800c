import Foundation
import ServiceKit

/// The request fields that may reach an engine. Everything else is left out: some of what llama-server understands harms its host
/// (`n_discard` overflows a heap), reads other conversations (`id_slot`), or loads files (`lora`).
public enum RequestFields {
    /// OpenAI's chat and completion fields that a local engine can honour, and the harmless sampling fields of llama.cpp.
    public static let allowed: Set<String> = [
        "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stream", "stream_options",
        "stop",
        "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "seed", "tools", "tool_choice",
        "parallel_tool_calls", "response_format", "suffix", "echo", "user", "top_k", "min_p", "repeat_penalty", "input", "encoding_format",
        "dimensions", "reasoning_effort", "chat_template_kwargs",
    ]

    /// The same request with the allowed fields alone, for the model it is meant for.
    ///
    /// - Throws: 400 when the body is not a JSON object.
    public static func filtered(_ body: Data, model: String) throws -> Data {
        guard let object = try? JSONDecoder().decode(JSONValue.self, from: body), case .object(var members) = object else {
            throw ServiceError.badRequest("The body must be a JSON object.", code: "invalid_json")
        }
        members = members.filter { allowed.contains($0.key) }
        members["model"] = .string(model)
        return try JSONEncoder.wire.encode(JSONValue.object(members))
    }
}
