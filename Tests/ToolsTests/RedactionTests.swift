import Foundation
import ServiceKit
import Testing

@testable import Tools

@Suite("Arguments in the audit log")
struct RedactionTests {
    @Test("However large the arguments are, what is kept of them is small, and says what they were")
    func bounded() throws {
        let long = String(repeating: "가", count: 1_000_000)
        let kept = Redaction.text(of: ["path": "a", "content": .string(long)])
        #expect(kept.utf8.count < 300 && kept.contains(#""bytes":3000000"#) && kept.contains("sha256") && kept.contains(#""path":"a""#))
        let values: [JSONValue] = [
            .array((0..<100_000).map { .string("word \($0)") }),
            .object(Dictionary(uniqueKeysWithValues: (0..<100_000).map { ("member\($0)", .integer($0)) })),
            .object([String(repeating: "n", count: 1_000_000): 1]),
            (0..<500).reduce(JSONValue.string("deep")) { inner, _ in .array([inner]) },
            .array((0..<256).map { _ in .string(String(repeating: "x", count: 1_024)) }),
        ]
        for value in values {
            let text = Redaction.text(of: ["value": value])
            #expect(text.utf8.count <= 16_384)
            #expect(throws: Never.self) { try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) }
        }
    }

    @Test("What is short is kept as it is")
    func whole() {
        #expect(Redaction.text(of: ["b": true, "a": "x", "n": 1]) == #"{"a":"x","b":true,"n":1}"#)
    }
}
