import Foundation
import ServiceKit
import SystemPackage

/// One run's group of processes: a folder in each tree that bounds it.
struct ControlGroup: Sendable {
    struct Part: Sendable {
        let folder: FilePath
        let home: ControlGroups.Home
    }

    let parts: [Part]

    /// The files that a process writes its number to in order to join.
    var doors: [FilePath] { parts.map { $0.folder.appending("cgroup.procs") } }

    func create(memory: Int, processes: Int) throws {
        for part in parts {
            guard mkdir(part.folder.string, 0o755) == 0 else { throw Errno(rawValue: errno) }
            if part.home.bounds.contains(.memory) {
                let isTwo = part.home.version == 2
                try write("\(memory)", isTwo ? "memory.max" : "memory.limit_in_bytes", part)
                // Without accounting of swap there are no such files; then nothing more can be bounded.
                try? write(isTwo ? "0" : "\(memory)", isTwo ? "memory.swap.max" : "memory.memsw.limit_in_bytes", part)
            }
            if part.home.bounds.contains(.pids) { try write("\(processes)", "pids.max", part) }
        }
    }

    /// How often the kernel killed a process of the group for its memory.
    var memoryKills: Int { number("oom_kill", in: ["memory.events", "memory.oom_control"]) }
    /// How often a process of the group could not be made.
    var refusedForks: Int { number("max", in: ["pids.events"]) }

    /// Kills what is left of it and removes it. Processes that are dying hold a group for some milliseconds.
    func remove() {
        for part in parts {
            for attempt in 0..<200 {
                if rmdir(part.folder.string) == 0 || errno == ENOENT { break }
                for pid in (KernelFile.text(part.folder.appending("cgroup.procs").string) ?? "").split(separator: "\n") {
                    if let pid = Int32(pid), pid > 0 { kill(pid, SIGKILL) }
                }
                usleep(attempt < 20 ? 1_000 : 10_000)
            }
        }
    }

    /// Whether a child of this process can join.
    func admitsChild() -> Bool {
        let child = Process()
        child.executableURL = URL(filePath: "/bin/sh")
        child.arguments = ["-c", #"for door; do echo $$ >"$door" || exit 1; done"#, "sh"] + doors.map(\.string)
        child.standardError = FileHandle.nullDevice
        guard (try? child.run()) != nil else { return false }
        child.waitUntilExit()
        return child.terminationStatus == 0
    }

    private func write(_ text: String, _ name: String, _ part: Part) throws {
        let file = try FileDescriptor.open(part.folder.appending(name), .writeOnly)
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
    }

    /// The number after a word, in the first of the files that exists.
    private func number(_ word: String, in names: [String]) -> Int {
        for part in parts {
            for name in names {
                guard let text = KernelFile.text(part.folder.appending(name).string) else { continue }
                for line in text.split(separator: "\n") where line.hasPrefix(word + " ") {
                    return Int(line.dropFirst(word.count + 1)) ?? 0
                }
            }
        }
        return 0
    }
}
