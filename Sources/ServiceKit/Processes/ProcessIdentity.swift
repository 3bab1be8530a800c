import Foundation

/// A process that cannot be mistaken for a later one with the same number: its pid and when it started.
public struct ProcessIdentity: Codable, Sendable, Hashable {
    public let pid: Int32
    /// In the kernel's own unit; only good for comparing.
    public let started: UInt64

    /// The process that has this pid now; `nil` when there is none, or only its remains.
    public init?(pid: Int32) {
        guard pid > 0, let started = Self.startTime(of: pid) else { return nil }
        self.pid = pid
        self.started = started
    }

    /// Whether this very process is still there.
    public var isAlive: Bool { ProcessIdentity(pid: pid) == self }

    /// Sends a signal, unless the process is gone: a pid that was given to another process is left alone.
    public func send(_ signal: Int32) {
        if isAlive { kill(pid, signal) }
    }

    /// Asks the process to end, and kills it when it has not after a while.
    ///
    /// It returns when the process is gone. One that is killed and stays all the same hangs in the kernel, as on a disk that does
    /// not answer; it is given up after ten seconds.
    public func end(within grace: Duration) async {
        send(SIGTERM)
        await ends(within: grace)
        send(SIGKILL)
        await ends(within: .seconds(10))
    }

    /// Waits for the end of the process, at the most for so long from now: a machine that is late with one wait does not shorten the next.
    private func ends(within limit: Duration) async {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while isAlive, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(20)) }
    }

    #if os(Linux)
        /// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)). A process whose first thread is done, and others are not, holds its sockets yet.
        private static func startTime(of pid: Int32) -> UInt64? {
            guard let stat = KernelFile.text("/proc/\(pid)/stat") else { return nil }
            // The command name may hold spaces and parentheses; the fields follow its last one.
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 19, let threads = Int(fields[17]), fields[0] != "X", fields[0] != "Z" || threads > 1 else { return nil }
            return UInt64(fields[19])
        }
    #else
        private static func startTime(of pid: Int32) -> UInt64? {
            var info = kinfo_proc()
            var size = MemoryLayout<kinfo_proc>.stride
            var name = [CTL_KERN, KERN_PROC, KERN_PROC_PID, pid]
            guard sysctl(&name, 4, &info, &size, nil, 0) == 0, size > 0, info.kp_proc.p_stat != SZOMB else { return nil }
            let time = info.kp_proc.p_starttime
            return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_usec)
        }
    #endif
}
