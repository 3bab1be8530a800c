import Foundation
import ServiceKit

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
            physicalCores: countCores() ?? process.activeProcessorCount, memory: HostMemory.read().total,
            gpuMemory: await askForGPUs(), isUnified: isUnified)
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
            // A device that does not know its memory is none to plan with.
            return await GPU.all().compactMap(\.memory)
        #endif
    }
}
