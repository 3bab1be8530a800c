import Foundation
import NIOCore
import NIOFoundationCompat
import ServiceKit

/// The messages of a chat's body, which stays as it came but for what memory adds to it.
struct ChatMessages {
    private var body: JSONMembers
    private var messages: JSONElements

    /// - Throws: 400 for a body that readers would not agree about.
    init(_ body: ByteBuffer) throws {
        self.body = try JSONMembers(body.readableBytesView)
        messages = try JSONElements(self.body["messages"] ?? "[]")
    }

    /// The text of the last message that the user wrote; `nil` when it has none.
    var lastUserText: String? {
        for message in messages.elements.reversed() {
            guard let message = Self.value(message), message["role"] == "user" else { continue }
            let text = Self.text(of: message["content"])
            return text.contains { !$0.isWhitespace } ? text : nil
        }
        return nil
    }

    /// Gives the model a text to know. Chat templates of small models take one system message, at the start: the text goes to the end of the
    /// one that is there, or becomes it.
    func adding(_ text: String) throws -> ByteBuffer {
        var (body, messages) = (body, messages)
        if let first = messages.elements.first, ["system", "developer"].contains(Self.value(first)?["role"]?.stringValue) {
            var message = try JSONMembers(first.utf8)
            message.set("content", to: try Self.content(message["content"], adding: text))
            messages.elements[0] = String(decoding: try message.json(), as: UTF8.self)
        } else {
            messages.elements.insert(#"{"role":"system","content":\#(try Self.json(text))}"#, at: 0)
        }
        body.set("messages", to: messages.json)
        return ByteBuffer(data: try body.json())
    }

    /// A content is a text, or a list of parts.
    private static func content(_ json: String?, adding text: String) throws -> String {
        switch json.flatMap(value) {
        case .string(let own): return try self.json(own.isEmpty ? text : own + "\n\n" + text)
        case .array:
            var parts = try JSONElements(json ?? "[]")
            parts.elements.append(#"{"type":"text","text":\#(try self.json(text))}"#)
            return parts.json
        default: return try self.json(text)
        }
    }

    private static func text(of content: JSONValue?) -> String {
        switch content {
        case .string(let text): text
        case .array(let parts): parts.filter { $0["type"] == "text" }.compactMap { $0["text"]?.stringValue }.joined(separator: "\n")
        default: ""
        }
    }

    private static func value(_ json: String) -> JSONValue? { try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)) }

    private static func json(_ text: String) throws -> String { String(decoding: try JSONEncoder.wire.encode(text), as: UTF8.self) }
}

extension String {
    /// The beginning that fits into so many bytes of UTF-8, whole characters of Unicode alone.
    func prefix(bytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(startIndex, offsetBy: limit)
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
