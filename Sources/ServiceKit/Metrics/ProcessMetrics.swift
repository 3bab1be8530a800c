import Foundation

/// Figures of the process itself, under the names that Prometheus's client libraries share.
enum ProcessMetrics {
    static func write(to output: inout Exposition) {
        #if os(Linux)
            guard let stat = KernelFile.text("/proc/self/stat") else { return }
            // The command name may hold spaces; the fields after its closing parenthesis are fixed (proc_pid_stat(5)).
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let start = Double(fields[19]),
                let virtual = Double(fields[20]), let pages = Double(fields[21])
            else { return }
            let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
            gauge("process_cpu_seconds_total", (user + system) / ticks, kind: "counter", to: &output)
            gauge("process_resident_memory_bytes", pages * Double(sysconf(Int32(_SC_PAGESIZE))), to: &output)
            gauge("process_virtual_memory_bytes", virtual, to: &output)
            if let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                gauge("process_open_fds", Double(descriptors), to: &output)
            }
            if let threads = Double(fields[17]) { gauge("process_threads", threads, to: &output) }
            if let boot = bootTime() { gauge("process_start_time_seconds", boot + start / ticks, to: &output) }
        #endif
    }

    private static func gauge(_ name: String, _ value: Double, kind: String = "gauge", to output: inout Exposition) {
        output.header(name, kind: kind)
        output.sample(name, "", value)
    }

    private static func bootTime() -> Double? {
        KernelFile.text("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }
}
