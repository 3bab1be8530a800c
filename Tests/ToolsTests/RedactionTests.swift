import Foundation
import ServiceKit
import Testing

@testable import Tools

@Suite("What the audit log holds of arguments")
struct RedactionTests {
    @Test(
        "What looks like a secret is left out, the rest stays",
        arguments: [
            ("curl -u admin https://admin:hunter2!@example.com/x", "curl -u admin https://admin:[redacted]@example.com/x"),
            ("mysql --password hunter2! db", "mysql --password [redacted] db"),
            ("export DB_PASSWORD=hunter2! && run", "export DB_PASSWORD=[redacted] && run"),
            (#"{"api_key": "hunter2!", "n": 1}"#, #"{"api_key": "[redacted]", "n": 1}"#),
            ("https://example.com/?token=hunter2!&page=2", "https://example.com/?token=[redacted]&page=2"),
            ("-H 'Authorization: Bearer hunter2-hunter2'", "-H 'Authorization: [redacted] [redacted]'"),
            ("use ghp_0123456789abcdef0123 for it", "use [redacted] for it"),
            ("maru_0123456789abcdef0123456789abcdef", "[redacted]"), ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
            ("-----BEGIN PRIVATE KEY-----\nMIIEhunter2!", "-----BEGIN PRIVATE KEY-----[redacted]"),
        ])
    func masked(_ text: String, _ expected: String) { #expect(SecretText.masked(text) == expected) }

    @Test(
        "Texts without secrets are kept as they are",
        arguments: [
            "README.md", "Sources/Tools/SecretText.swift", "how do tokens work?", "git commit -m 'count tokens'", "a=1; b=2", "안내: 문서",
            "https://example.com:8080/path", "the password is asked for by the login page",
        ])
    func kept(_ text: String) { #expect(SecretText.masked(text) == text) }

    @Test("Contents, members and options that hold secrets are left out by name")
    func named() {
        #expect(!Redaction.text(of: ["path": "a.txt", "content": "hunter2!"]).contains("hunter2!"))
        #expect(Redaction.text(of: ["path": "a.txt", "content": "hunter2!"]).contains(#""path":"a.txt""#))
        #expect(Redaction.text(of: ["userPassword": "hunter2!"]) == #"{"userPassword":"[redacted]"}"#)
        #expect(Redaction.text(of: ["args": ["--api-key", "hunter2!", "x"]]) == #"{"args":["--api-key","[redacted]","x"]}"#)
        #expect(!Redaction.text(of: ["actions": #"[{"type":"fill","value":"hunter2!"}]"#]).contains("hunter2!"))
    }

    @Test("No text makes the search long", .timeLimit(.minutes(1)))
    func bounded() {
        for piece in ["token", "token-", "a:b", "--token ", "password = ", "://", "-----BEGIN PRIVATE KEY-----"] {
            let text = String(repeating: piece, count: 4_000 / piece.utf8.count)
            #expect(!SecretText.masked(text).isEmpty)
        }
    }

    @Test("However large the arguments are, what is kept of them is small, and says what they were")
    func small() throws {
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
