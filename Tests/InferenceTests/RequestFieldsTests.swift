import Foundation
import HTTPTypes
import ServiceKit
import Testing

@testable import Inference

@Suite("What of a request reaches an engine")
struct RequestFieldsTests {
    private func passed(_ body: String, context: Int = 512, choices: Int = 1) throws -> String {
        let data = try RequestFields.completion(body.utf8, model: "m", bounds: .init(context: context, choices: choices))
        return String(decoding: data, as: UTF8.self)
    }

    @Test(
        "A field that harms an engine never reaches it, however its name is written",
        arguments: ["n_discard", "id_slot", "lora", "n_predict", "cache_reuse", #"n\u005fdiscard"#, #"\u006eo_such_field"#])
    func hostile(name: String) throws {
        #expect(try passed(#"{"prompt":"a","\#(name)":-1}"#) == #"{"prompt":"a","model":"m","max_tokens":512}"#)
    }

    @Test("A name inside a value is a value")
    func nested() throws {
        let body = #"{"prompt":"\"n_discard\": [} \\","messages":[{"n_discard":{"a":"]"}}],"max_tokens":5}"#
        let kept = #"{"prompt":"\"n_discard\": [} \\","messages":[{"n_discard":{"a":"]"}}],"max_tokens":5,"model":"m"}"#
        #expect(try passed(body) == kept)
    }

    @Test("Tools and schemas keep the order in which they were written, and numbers their digits")
    func order() throws {
        let schema = #"{"z":{"type":"string"},"a":{"type":"number"},"m":1.10,"b":12345678901234567890}"#
        #expect(try passed(#"{"response_format": \#(schema) , "max_tokens":1}"#).contains(schema))
    }

    @Test(
        "What is no JSON object, or says one thing twice, is refused",
        arguments: [
            "", "null", "[]", "1", "{", #"{"prompt":"a""#, #"{"prompt":[}"#, #"{"prompt":1 "n_discard":2}"#, #"{"seed":1,"seed":2}"#,
            #"{"seed":1,"see\u0064":2}"#, #"{"prompt":"a"}x"#, "{'prompt':1}", "\u{FEFF}{}",
        ])
    func malformed(body: String) {
        let error = #expect(throws: ServiceError.self) { try passed(body) }
        #expect(error?.status == .badRequest)
    }

    @Test("A body of more fields than anybody means is refused")
    func fieldsWithoutEnd() throws {
        func body(_ count: Int) -> String { "{" + (0..<count).map { "\"f\($0)\":1" }.joined(separator: ",") + "}" }
        #expect(throws: Never.self) { try passed(body(JSONMembers.limit)) }
        let error = #expect(throws: ServiceError.self) { try passed(body(JSONMembers.limit + 1)) }
        #expect(error?.status == .badRequest)
    }

    @Test("A body in UTF-16 is refused rather than read in two ways")
    func encoding() throws {
        let body = try #require(#"{"prompt":"a"}"#.data(using: .utf16LittleEndian))
        #expect(throws: ServiceError.self) {
            try RequestFields.completion(body, model: "m", bounds: .init(context: 512, choices: 1))
        }
    }

    @Test("An answer ends with the context")
    func length() throws {
        #expect(try passed(#"{"max_tokens":100000}"#) == #"{"max_tokens":512,"model":"m"}"#)
        #expect(try passed(#"{"max_completion_tokens":100000}"#) == #"{"max_completion_tokens":512,"model":"m"}"#)
        #expect(try passed(#"{"max_tokens":null}"#) == #"{"model":"m","max_tokens":512}"#)
        #expect(try passed(#"{"max_tokens":7}"#) == #"{"max_tokens":7,"model":"m"}"#)
    }

    @Test("A bound that is no positive whole number is refused by name", arguments: ["-1", "0", "1.5", "\"9\"", "[1]", "1e99"])
    func bounds(value: String) {
        for name in ["max_tokens", "max_completion_tokens", "n"] {
            let error = #expect(throws: ServiceError.self) { try passed(#"{"\#(name)":\#(value)}"#) }
            #expect(error?.parameter == name)
        }
    }

    @Test("As many answers as the model gives at once, and no more")
    func choices() throws {
        #expect(try passed(#"{"n":2,"max_tokens":1}"#, choices: 2).contains(#""n":2"#))
        #expect(throws: ServiceError.self) { try passed(#"{"n":3}"#, choices: 2) }
    }

    @Test("Requests for tokens have an allow-list of their own")
    func tokens() throws {
        let data = try RequestFields.tokens(#"{"content":"a","add_special":true,"lora":[],"model":"x"}"#.utf8)
        #expect(String(decoding: data, as: UTF8.self) == #"{"content":"a","add_special":true}"#)
    }
}
