import Foundation
import NIOCore
import ServiceKit
import Synchronization

/// The text of a chat's answer, read from its bytes: events of a stream, or one JSON document. What is held is bounded.
struct AnswerText {
    /// Of the text; what comes after is not kept.
    private static let textLimit = 256 << 10
    /// Of a document, or of one event.
    private static let documentLimit = 4 << 20

    /// The assistant's text as far as it came; `nil` when the answer failed, is not whole, is empty, or is not text alone.
    var text: String? { isWhole && !hasFailed && !hasTools && collected.contains { !$0.isWhitespace } ? collected : nil }
    private(set) var tokens: Int?
    /// Whether it was too large to be read.
    private(set) var isLost = false

    private let isStream: Bool
    private var parser = SSE.Parser()
    private var document = ByteBuffer()
    /// Bytes of the line that has begun.
    private var lineLength = 0
    private var collected = ""
    private var isWhole = false
    private var hasTools = false
    private var hasFailed = false

    init(isStream: Bool) { self.isStream = isStream }

    mutating func feed(_ part: ByteBuffer) {
        guard !isLost else { return }
        let bytes = part.readableBytesView
        guard isStream else {
            guard document.readableBytes + bytes.count <= Self.documentLimit else { return lose() }
            document.writeImmutableBuffer(part)
            return
        }
        lineLength =
            bytes.lastIndex(of: UInt8(ascii: "\n")).map { bytes.distance(from: $0, to: bytes.endIndex) } ?? lineLength + bytes.count
        guard lineLength <= Self.documentLimit else { return lose() }
        for event in parser.feed(bytes) { take(event: event) }
    }

    /// Nothing comes any more.
    mutating func end() {
        guard !isStream, !isLost, let answer = Self.value(Data(document.readableBytesView)) else { return }
        document.clear()
        guard let choice = Self.first(answer), answer["error"] == nil else { return }
        isWhole = true
        take(choice["message"], answer["usage"])
    }

    private mutating func take(event: String) {
        // The mark of the end; servers that leave it out tell why the answer ended, which is as good.
        if event == "[DONE]" { return isWhole = true }
        guard let chunk = Self.value(Data(event.utf8)) else { return }
        if chunk["error"] != nil { hasFailed = true }
        let choice = Self.first(chunk)
        if choice?["finish_reason"]?.stringValue != nil { isWhole = true }
        take(choice?["delta"], chunk["usage"])
    }

    private mutating func take(_ message: JSONValue?, _ usage: JSONValue?) {
        if message?["tool_calls"]?.arrayValue?.isEmpty == false || message?["function_call"]?.objectValue != nil { hasTools = true }
        if let text = message?["content"]?.stringValue, collected.utf8.count < Self.textLimit {
            collected += text.prefix(bytes: Self.textLimit - collected.utf8.count)
        }
        if let total = usage?["total_tokens"]?.intValue { tokens = total }
    }

    private mutating func lose() {
        isLost = true
        (document, collected, parser) = (ByteBuffer(), "", SSE.Parser())
    }

    /// The first of several answers to one question.
    private static func first(_ answer: JSONValue) -> JSONValue? {
        answer["choices"]?.arrayValue?.first { ($0["index"]?.intValue ?? 0) == 0 }
    }

    private static func value(_ json: Data) -> JSONValue? { try? JSONDecoder().decode(JSONValue.self, from: json) }
}

/// Reads an answer on the side while it is passed on.
final class AnswerWitness: Relay.Witness {
    private let answer: Mutex<AnswerText>
    private let done: @Sendable (AnswerText?) -> Void

    /// - Parameter done: is given the answer once the client has all of it; `nil` when it could not be read.
    init(isStream: Bool, done: @escaping @Sendable (AnswerText?) -> Void) {
        answer = Mutex(AnswerText(isStream: isStream))
        self.done = done
    }

    func saw(_ part: ByteBuffer) { answer.withLock { $0.feed(part) } }

    func sawEnd() {
        let read = answer.withLock { answer in
            answer.end()
            return answer
        }
        done(read.isLost ? nil : read)
    }
}
