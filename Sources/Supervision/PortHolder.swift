import Foundation
import NIOCore
import NIOPosix
import ServiceKit
import Subprocess

/// Finds out whether a port is free and, if not, who has it.
public enum PortHolder {
    /// Whether a port of an address can be bound.
    public static func isFree(_ port: Int, host: String) async -> Bool {
        do {
            // As our services bind: a port whose last connections are still in TIME_WAIT is free.
            let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1).bind(host: host, port: port).get()
            try await channel.close()
            return true
        } catch {
            return false
        }
    }

    /// The process that listens on a port, as `name (pid N)`; `nil` when the system does not let us see it.
    public static func name(of port: Int) async -> String? {
        #if os(Linux)
            return listeningInode(port).flatMap(process(holding:))
        #else
            let result = try? await Subprocess.run(
                .name("lsof"), arguments: ["-nP", "-iTCP:\(port)", "-sTCP:LISTEN", "-Fpc"], output: .string(limit: 1 << 16))
            let lines = result?.standardOutput.split(separator: "\n") ?? []
            guard let pid = lines.first(where: { $0.hasPrefix("p") })?.dropFirst() else { return nil }
            return "\(lines.first { $0.hasPrefix("c") }?.dropFirst() ?? "a process") (pid \(pid))"
        #endif
    }

    #if os(Linux)
        private static func process(holding inode: Substring) -> String? {
            for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
                guard let pid = Int32(entry) else { continue }
                for descriptor in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []
                where (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(descriptor)")) == "socket:[\(inode)]" {
                    let name = KernelFile.text("/proc/\(pid)/comm")?.trimmingCharacters(in: .whitespacesAndNewlines)
                    return "\(name ?? "a process") (pid \(pid))"
                }
            }
            return nil
        }
    #endif

    /// The socket that listens on a port, from the kernel's tables (proc(5), `/proc/net/tcp`).
    private static func listeningInode(_ port: Int) -> Substring? {
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let text = KernelFile.text(table) else { continue }
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard fields.count > 9, fields[3] == "0A", let found = fields[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) })
                else { continue }
                if found == port { return fields[9] }
            }
        }
        return nil
    }
}
