import Foundation

/// The memory that this process may use: the machine's, or what the control group it runs in leaves of it (cgroups(7)).
public struct HostMemory: Sendable {
    /// In bytes.
    public let total: UInt64
    /// What can be had without swapping, in bytes; `nil` where the system does not say.
    public let available: UInt64?

    /// The bound that containers set, in version 2 and version 1 of control groups.
    private static let groups = [
        (limit: "/sys/fs/cgroup/memory.max", usage: "/sys/fs/cgroup/memory.current"),
        (limit: "/sys/fs/cgroup/memory/memory.limit_in_bytes", usage: "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ]

    /// Memory as it is now. Reads a few files of the kernel, which does not wait for a disk.
    public static func read() -> HostMemory {
        let physical = ProcessInfo.processInfo.physicalMemory
        guard let group = groups.first(where: { number($0.limit) != nil }), let limit = number(group.limit), limit < physical else {
            return HostMemory(total: physical, available: meminfo("MemAvailable"))
        }
        // Pages of files count as used, though they are given back when somebody wants the room.
        let reclaimable = group.usage.hasSuffix("current") ? stat("inactive_file") : stat("total_inactive_file", "memory/")
        let used = number(group.usage).map { $0 - min($0, reclaimable ?? 0) }
        let left = used.map { limit - min(limit, $0) }
        return HostMemory(total: limit, available: [left, meminfo("MemAvailable")].compactMap(\.self).min())
    }

    private static func number(_ path: String) -> UInt64? {
        KernelFile.text(path).flatMap { UInt64($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    /// A figure of `/proc/meminfo`, which tells KiB (proc_meminfo(5)).
    private static func meminfo(_ name: String) -> UInt64? { member(name + ":", of: "/proc/meminfo").map { $0 << 10 } }

    private static func stat(_ name: String, _ folder: String = "") -> UInt64? {
        member(name, of: "/sys/fs/cgroup/\(folder)memory.stat")
    }

    /// The number after a word at the beginning of a line.
    private static func member(_ name: String, of path: String) -> UInt64? {
        guard let text = KernelFile.text(path) else { return nil }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count > 1, words[0] == name { return UInt64(words[1]) }
        }
        return nil
    }
}
