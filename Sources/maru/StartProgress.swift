import Foundation
import Suite
import Supervision

/// Shows how services come up: a line for each that is ready, and on a terminal a last line that tells what is waited for.
final class StartProgress {
    private var ready: Set<String> = []
    private let start = ContinuousClock.now
    private var hasStatusLine = false

    func show(_ state: SupervisorState) {
        for child in state.children where child.phase == .ready && ready.insert(child.service.rawValue).inserted {
            clearStatus()
            print("✅ \(child.service) ready after \(seconds) s")
        }
        let waiting = state.children.filter { $0.phase != .ready }
        guard Terminal.isInteractive, !waiting.isEmpty else { return }
        clearStatus()
        let names = waiting.map { child in child.service.rawValue + (child.phase == .alive ? child.reason.map { " (\($0))" } ?? "" : "") }
        // One line of the terminal: a longer one could not be taken back.
        let line = "   \(seconds) s, waiting for \(names.joined(separator: ", "))".prefix(Terminal.columns - 1)
        FileHandle.standardOutput.write(Data(line.utf8))
        hasStatusLine = true
    }

    func finish() { clearStatus() }

    private var seconds: String { (start.duration(to: .now).components.seconds).formatted() }

    private func clearStatus() {
        guard hasStatusLine else { return }
        FileHandle.standardOutput.write(Data("\r\u{1B}[K".utf8))
        hasStatusLine = false
    }
}
