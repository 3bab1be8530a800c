import Foundation
import ServiceKit

/// Bounds the memory of a run where no control group can: looks ten times a second at how much its processes hold together.
///
/// Between two looks a run can pass its limit by what it fills in a tenth of a second; each of its processes is bounded by the kernel as
/// well (RLIMIT_AS).
struct MemoryWatch: Sendable {
    let limit: Int

    /// Returns once the limit is passed; `false` when it was cancelled before.
    func isPassed(by pid: Int32) async -> Bool {
        while !Task.isCancelled {
            if let held = try? await offPool({ Self.held(by: pid) }), held > limit { return true }
            try? await Task.sleep(for: .milliseconds(100))
        }
        return false
    }

    /// Bytes that a process and all its descendants hold: what several share counts once (proc_pid_smaps(5), Pss).
    static func held(by pid: Int32) -> Int {
        // Each thread has the children that it made itself.
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let children = threads.flatMap { thread in
            (KernelFile.text("/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap { Int32($0) }
        }
        return own(pid) + children.reduce(0) { $0 + held(by: $1) }
    }

    private static func own(_ pid: Int32) -> Int {
        guard let text = KernelFile.text("/proc/\(pid)/smaps_rollup") else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
            return (Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0) << 10
        }
        return 0
    }
}
