import Foundation
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// `get_system_info`: figures of the machine, and how the services are. Names of people, paths and settings stay out of it.
struct SystemInformation: Tool {
    let name = "get_system_info"
    let settings: Settings
    let clients: SuiteClients

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        async let gpus = GPU.all()
        async let services = services()
        let disk = try await disk()
        let (memory, load) = (try await offPool { HostMemory.read() }, Self.load())
        let process = ProcessInfo.processInfo
        let facts: [String: JSONValue] = [
            "os": .string(process.operatingSystemVersionString), "architecture": .string(Self.architecture),
            "cpu_count": .integer(Int64(process.activeProcessorCount)), "load_average": .array(load.map(JSONValue.number)),
            "memory_total_bytes": Self.number(memory.total), "memory_available_bytes": Self.number(memory.available),
            "disk_total_bytes": Self.number(disk.total), "disk_free_bytes": Self.number(disk.free),
            "uptime_seconds": .integer(Int64(process.systemUptime)), "version": .string(BuildInfo.version),
            "commit": .string(BuildInfo.commit),
            "gpus": .array(
                await gpus.map { gpu in
                    [
                        "name": .string(gpu.name), "memory_total_bytes": Self.number(gpu.memory),
                        "memory_used_bytes": Self.number(gpu.memoryUsed),
                    ]
                }),
            "services": .array(await services.map { ["name": .string($0.id.rawValue), "status": .string($0.status)] }),
        ]
        return ToolResult(.object(facts), text: Self.text(facts, await services))
    }

    /// How each service says that it is: `ok`, `loading`, `degraded`, or `unreachable`. All are asked at once, for three seconds.
    private func services() async -> [(id: ServiceID, status: String)] {
        let all = ServiceCatalogue.all.filter { $0.port != nil }.map(\.id)
        let found = await withTaskGroup(of: (ServiceID, String).self) { group in
            for id in all {
                group.addTask {
                    let health = await clients.client(id, timeout: .seconds(3)).health()
                    return (id, health?["status"]?.stringValue ?? "unreachable")
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return all.map { ($0, found[$0] ?? "unreachable") }
    }

    /// The file system that `DATA_DIR` lies on, in bytes.
    private func disk() async throws -> (total: UInt64?, free: UInt64?) {
        let folder = settings.dataFolders.root.string
        return try await offPool {
            let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
            func bytes(_ key: FileAttributeKey) -> UInt64? { (attributes?[key] as? NSNumber)?.uint64Value }
            return (bytes(.systemSize), bytes(.systemFreeSize))
        }
    }

    /// Processes that run or wait to, on average over 1, 5 and 15 minutes (getloadavg(3)).
    private static func load() -> [Double] {
        var averages = [Double](repeating: 0, count: 3)
        let count = getloadavg(&averages, 3)
        return averages.prefix(max(0, Int(count))).map { ($0 * 100).rounded() / 100 }
    }

    private static var architecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "arm64"
        #else
            "unknown"
        #endif
    }

    private static func number(_ value: UInt64?) -> JSONValue { value.map { .integer(Int64(clamping: $0)) } ?? .null }

    private static func text(_ facts: [String: JSONValue], _ services: [(id: ServiceID, status: String)]) -> String {
        func size(_ name: String) -> String {
            facts[name]?.intValue.map { Int64($0).formatted(.byteCount(style: .binary)) } ?? "unknown"
        }
        let load = facts["load_average"]?.arrayValue?.compactMap(\.doubleValue).map { "\($0)" }.joined(separator: ", ") ?? ""
        let gpus = facts["gpus"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
        return [
            "\(facts["os"]?.stringValue ?? ""), \(architecture), \(facts["cpu_count"]?.intValue ?? 0) processors, load \(load)",
            "memory: \(size("memory_available_bytes")) of \(size("memory_total_bytes")) available",
            "disk: \(size("disk_free_bytes")) of \(size("disk_total_bytes")) free",
            "GPU: \(gpus.isEmpty ? "none" : gpus.joined(separator: ", "))",
            "services: " + services.map { "\($0.id) \($0.status)" }.joined(separator: ", "),
        ].joined(separator: "\n")
    }
}
