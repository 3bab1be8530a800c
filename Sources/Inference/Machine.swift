import Foundation
import ServiceKit
import Subprocess

/// What of a machine matters to models.
public struct Machine: Sendable {
    public let physicalCores: Int
    /// In bytes.
    public let memory: UInt64
    /// Memory of each GPU, in bytes.
    public let gpuMemory: [UInt64]

    public init(physicalCores: Int, memory: UInt64, gpuMemory: [UInt64]) {
        self.physicalCores = physicalCores
        self.memory = memory
        self.gpuMemory = gpuMemory
    }

    public var hasGPU: Bool { !gpuMemory.isEmpty }

    /// Threads for an engine: as asked, or all physical cores but one. Threads that share a core, or have none left for the rest of the
    /// stack, slow each other to a crawl.
    public func threads(_ asked: Int) -> Int { asked > 0 ? asked : max(1, physicalCores - 1) }

    /// The machine we are on.
    public static func current() async -> Machine {
        let process = ProcessInfo.processInfo
        return Machine(
            physicalCores: countCores() ?? process.activeProcessorCount, memory: process.physicalMemory, gpuMemory: await askForGPUs())
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
            let result = try? await Subprocess.run(
                .name("nvidia-smi"), arguments: ["--query-gpu=memory.total", "--format=csv,noheader,nounits"],
                output: .string(limit: 1 << 16))
            guard let result, result.terminationStatus.isSuccess else { return [] }
            return result.standardOutput.split(separator: "\n").compactMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }.map {
                $0 << 20
            }
        #endif
    }
}
