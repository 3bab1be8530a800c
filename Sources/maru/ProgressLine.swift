import Foundation
import Synchronization

/// One line that tells how far a fetch is; redrawn on a terminal, at every tenth elsewhere.
final class ProgressLine: Sendable {
    private let name: String
    private let lastTenth = Mutex(-1)

    init(_ name: String) { self.name = name }

    func show(_ bytes: Int64, of total: Int64, note: String) {
        let tenth = total > 0 ? Int(bytes * 10 / total) : 0
        let isNew = lastTenth.withLock { last in
            defer { last = max(last, tenth) }
            return tenth > last
        }
        let text = "\(name): \(bytes.formatted(.byteCount(style: .file))) of \(total.formatted(.byteCount(style: .file))) from \(note)"
        if Terminal.isInteractive {
            FileHandle.standardOutput.write(Data("\r\u{1B}[K\(text)".utf8))
        } else if isNew {
            print(text)
        }
    }

    func finish() {
        if Terminal.isInteractive { FileHandle.standardOutput.write(Data("\r\u{1B}[K".utf8)) }
    }
}
