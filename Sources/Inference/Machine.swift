import Foundation
import ServiceKit
import Subprocess

/// What of a machine matters to models.
public struct Machine: Sendable, Encodable {
    public let physicalCores: Int
    /// In bytes.
    public let memory: UInt64
    /// Memory of each GPU, in bytes.
    public let gpuMemory: [UInt64]
    /// Whether the GPU has no memory of its own and takes from the machine's.
    public let isUnified: Bool

    public init(physicalCores: Int, memory: UInt64, gpuMemory: [UInt64], isUnified: Bool = false) {
        self.physicalCores = physicalCores
        self.memory = memory
        self.gpuMemory = gpuMemory
        self.isUnified = isUnified
    }

    public var hasGPU: Bool { !gpuMemory.isEmpty }

    /// The machine as an engine sees it: one that computes on the CPU alone has no GPU.
    public func seen(by engine: Engine) -> Machine {
        engine.usesGPU ? self : Machine(physicalCores: physicalCores, memory: memory, gpuMemory: [])
    }

    /// Threads for an engine: as asked, or all physical cores but one. Threads that share a core, or have none left for the rest of the
    /// stack, slow each other to a crawl.
    public func threads(_ asked: Int) -> Int { asked > 0 ? asked : max(1, physicalCores - 1) }

    /// The machine we are on, looked at once.
    public static func current() async -> Machine { await here.value }

    private static let here = Task {
        let process = ProcessInfo.processInfo
        #if os(macOS) && arch(arm64)
            let isUnified = true
        #else
            let isUnified = false
        #endif
        return Machine(
            physicalCores: countCores() ?? process.activeProcessorCount, memory: min(process.physicalMemory, memoryLimit() ?? .max),
            gpuMemory: await askForGPUs(), isUnified: isUnified)
    }

    /// The bound of the control group we run in, as containers set it (cgroups(7), version 2 and 1).
    private static func memoryLimit() -> UInt64? {
        ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].lazy
            .compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
            .compactMap { UInt64($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.first
    }

    private static func countCores() -> Int? {
        #if os(Linux)
            guard let text = KernelFile.text("/proc/cpuinfo") else { return nil }
            var cores = Set<String>()
            for processor in text.split(separator: "\n\n") {
                let fields = processor.split(separator: "\n").filter { $0.hasPrefix("physical id") || $0.hasPrefix("core id") }
                if fields.count == 2 { cores.insert(fields.joined()) }
            }
            // Virtual machines may report one core id for all: then every processor counts.
            return cores.count > 1 ? cores.count : nil
        #else
            var count: Int32 = 0
            var size = MemoryLayout<Int32>.size
            return sysctlbyname("hw.physicalcpu", &count, &size, nil, 0) == 0 ? Int(count) : nil
        #endif
    }

    private static func askForGPUs() async -> [UInt64] {
        #if os(macOS) && arch(arm64)
            // Metal shares the machine's memory; some two thirds of it may be the GPU's.
            return [ProcessInfo.processInfo.physicalMemory / 3 * 2]
        #else
            // A driver in trouble keeps it waiting for good.
            let result = try? await withDeadline(.seconds(10)) {
                try await Subprocess.run(
                    .name("nvidia-smi"), arguments: ["--query-gpu=memory.total", "--format=csv,noheader,nounits"],
                    output: .string(limit: 1 << 16))
            }
            guard let result, result.terminationStatus.isSuccess else { return [] }
            return gpuMemory(told: result.standardOutput)
        #endif
    }

    /// Bytes of each GPU, from lines of MiB; a device that does not know its memory (`[N/A]`) is none to plan with.
    static func gpuMemory(told text: String) -> [UInt64] {
        text.split(whereSeparator: \.isNewline).compactMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }
            .filter { $0 > 0 && $0 < 1 << 30 }.map { $0 << 20 }
    }
}
