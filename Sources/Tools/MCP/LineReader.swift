import Dispatch
import Foundation

/// Reads lines on a thread of its own, which waits in the kernel for as long as nothing comes.
enum LineReader {
    enum Line: Sendable {
        case whole([UInt8])
        /// More bytes than are taken; they were read past.
        case tooLong
    }

    /// The lines of a file until it ends, empty ones left out.
    ///
    /// - Parameter room: given a place for each line that is taken; without one the thread waits, and with it whoever writes.
    static func lines(of file: FileHandle, limit: Int, room: DispatchSemaphore) -> AsyncStream<Line> {
        let (lines, continuation) = AsyncStream<Line>.makeStream()
        Thread.detachNewThread {
            var splitter = LineSplitter(limit: limit)
            while true {
                let bytes = file.availableData
                if bytes.isEmpty { break }
                for line in splitter.feed(bytes) {
                    room.wait()
                    continuation.yield(line)
                }
            }
            if let last = splitter.end() { continuation.yield(last) }
            continuation.finish()
        }
        return lines
    }
}

/// Cuts bytes, however they came, into lines.
struct LineSplitter {
    let limit: Int
    private var line: [UInt8] = []
    private var isTooLong = false

    init(limit: Int) { self.limit = limit }

    mutating func feed(_ bytes: some Sequence<UInt8>) -> [LineReader.Line] {
        var lines: [LineReader.Line] = []
        for byte in bytes {
            if byte == 0x0a {
                if let line = end() { lines.append(line) }
            } else if line.count < limit {
                line.append(byte)
            } else {
                isTooLong = true
            }
        }
        return lines
    }

    /// The line that is begun, if there is anything in it.
    mutating func end() -> LineReader.Line? {
        defer {
            line = []
            isTooLong = false
        }
        if isTooLong { return .tooLong }
        if line.last == 0x0d { line.removeLast() }
        return line.isEmpty ? nil : .whole(line)
    }
}
