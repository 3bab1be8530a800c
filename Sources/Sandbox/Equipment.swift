import CLinux
import Foundation
import ServiceKit
import SystemPackage

/// What runs share: the filter of system calls, control groups where they can be made, a folder for what a run leaves.
struct Equipment: Sendable {
    let folder: FilePath
    let filter: FilePath
    let groups: ControlGroups?
    /// Users that nobody else is: root gives each run to one of them. Far from all numbers that systems hand out.
    private let users: Range<Int>?

    /// Finds and writes what is needed.
    ///
    /// - Parameter folder: is made; files of processes that are gone are removed from it.
    /// - Throws: 503 where the system has no sandbox, the file system's error.
    init(folder: FilePath) throws {
        for program in ["bwrap", "prlimit"] + (geteuid() == 0 ? ["setpriv"] : []) where Self.path(of: program) == nil {
            throw ServiceError.unavailable(
                "\(program) is not installed. On Debian: apt-get install bubblewrap util-linux.", code: "sandbox_unavailable")
        }
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let length = bytes.withUnsafeMutableBytes { clinux_sandbox_filter($0.baseAddress, $0.count) }
        guard length > 0 else {
            throw ServiceError.unavailable("There is no sandbox for this system or processor.", code: "sandbox_unavailable")
        }
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        Self.sweep(folder)
        self.folder = folder
        filter = folder.appending(RunNumber.next().name + ".bpf")
        try Data(bytes.prefix(length)).write(to: URL(filePath: filter.string), options: .atomic)
        groups = ControlGroups.found()
        users = geteuid() == 0 ? Self.users() : nil
    }

    /// Where the next run leaves its status, and the user it is given to.
    func next() -> (status: FilePath, user: Int?) {
        let number = RunNumber.next()
        return (folder.appending(number.name + ".status"), users.map { $0.lowerBound + number.value % $0.count })
    }

    /// In a container only some numbers exist (user_namespaces(7)): there the last of them.
    private static func users() -> Range<Int> {
        let mapped = (KernelFile.text("/proc/self/uid_map") ?? "").split(separator: "\n").compactMap { line -> Range<Int>? in
            let numbers = line.split(separator: " ").compactMap { Int($0) }
            return numbers.count == 3 ? numbers[0]..<numbers[0] + numbers[2] : nil
        }
        let far = 1_835_073_536..<1_835_077_632
        guard let last = mapped.max(by: { $0.upperBound < $1.upperBound }), !mapped.contains(where: { $0.contains(far.upperBound) }) else {
            return far
        }
        return max(last.lowerBound, last.upperBound - far.count)..<last.upperBound
    }

    private static func path(of program: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first { access($0, X_OK) == 0 }
    }

    private static func sweep(_ folder: FilePath) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? [] {
            guard let pid = Int32(name.prefix { $0.isNumber }), kill(pid, 0) != 0, errno == ESRCH else { continue }
            unlink(folder.appending(name).string)
        }
    }
}
