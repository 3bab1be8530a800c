import NIOCore

/// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
public enum SSE {
    /// An event whose data is one line.
    public static func event(_ data: String, name: String? = nil) -> String {
        (name.map { "event: \($0)\n" } ?? "") + "data: \(data)\n\n"
    }

    /// Splits bytes, however they were cut, into the `data` of events.
    public struct Parser: Sendable {
        private var line: [UInt8] = []
        private var data: [String] = []
        private var lastWasCR = false

        public init() {}

        /// Takes the next bytes and gives the data of every event they completed.
        public mutating func feed(_ bytes: some Sequence<UInt8>) -> [String] {
            var events: [String] = []
            for byte in bytes {
                // A line ends with LF, CR or CRLF; a character may be cut anywhere, so lines are decoded whole.
                if byte == 0x0a, lastWasCR {
                    lastWasCR = false
                    continue
                }
                lastWasCR = byte == 0x0d
                guard byte == 0x0a || byte == 0x0d else {
                    line.append(byte)
                    continue
                }
                if let event = endLine() { events.append(event) }
            }
            return events
        }

        private mutating func endLine() -> String? {
            defer { line.removeAll(keepingCapacity: true) }
            if line.isEmpty {
                defer { data = [] }
                return data.isEmpty ? nil : data.joined(separator: "\n")
            }
            let text = String(decoding: line, as: UTF8.self)
            guard text.hasPrefix("data:") else { return nil }
            let value = text.dropFirst(5)
            data.append(String(value.hasPrefix(" ") ? value.dropFirst() : value))
            return nil
        }
    }
}

extension AsyncSequence where Element == ByteBuffer, Self: Sendable {
    /// The data of each server-sent event in a body.
    public var sseData: AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    var parser = SSE.Parser()
                    for try await chunk in self {
                        for event in parser.feed(chunk.readableBytesView) { continuation.yield(event) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
