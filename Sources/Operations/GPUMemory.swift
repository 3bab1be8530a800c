import Foundation
import ServiceKit
import Suite

/// Memory of the machine's GPUs in use at one moment, and whether it is this stack that uses it.
struct GPUMemory: Sendable {
    /// Of the fullest GPU, from 0 to 1; `nil` when the driver tells no figures.
    let share: Double?
    /// The engines of language models that run, and those of them that hold no GPU memory.
    let engines: [String]
    let absent: [String]
    let evidence: String

    static let command =
        "nvidia-smi \(GPU.query.joined(separator: " ")); nvidia-smi --query-compute-apps=pid,used_memory --format=csv,noheader,nounits"
    static let noGPU = Finding.skip("no nvidia-smi on this machine: models run on the CPU")

    /// Asks the driver.
    ///
    /// - Returns: `nil` on a machine without one.
    static func read(_ context: CheckContext) async throws -> GPUMemory? {
        let format = "--format=csv,noheader,nounits"
        guard let memory = await context.program("nvidia-smi", GPU.query) else { return nil }
        let apps = await context.program("nvidia-smi", "--query-compute-apps=pid,used_memory", format)
        let engines = try await RunningEngine.all(context).filter { $0.name.hasPrefix("inference-") }
        let users = apps?.succeeded == true ? Set(rows(apps?.output ?? "").compactMap { $0.first.flatMap { Int32($0) } }) : []
        let holders = try await offPool { users.map(lineage) }
        let shares = GPU.told(memory.output).compactMap { gpu -> Double? in
            guard let used = gpu.memoryUsed, let total = gpu.memory else { return nil }
            return Double(used) / Double(total)
        }
        return GPUMemory(
            share: memory.succeeded ? shares.max() : nil, engines: engines.map(\.name),
            absent: engines.filter { engine in !holders.contains { $0.contains(engine.pid) } }.map(\.name),
            evidence: "total, used (MiB), name:\n\(memory.output)\npid, used (MiB):\n\(apps?.output ?? "")\nengines: "
                + engines.map { "\($0.name) \($0.pid)" }.joined(separator: ", "))
    }

    /// Memory proves something only while this stack's models lie in it.
    var finding: Finding {
        guard let share else { return Finding(.fail, reason: "nvidia-smi reports no memory figures", evidence: evidence) }
        let value = (share * 100).formatted(.number.precision(.fractionLength(1))) + " %"
        guard !engines.isEmpty else {
            return Finding(.inconclusive, value: value, reason: "no engine of a language model runs", evidence: evidence)
        }
        guard absent.isEmpty else {
            return Finding(
                .inconclusive, value: value, reason: "not loaded on the GPU: " + absent.joined(separator: ", "), evidence: evidence)
        }
        return share < 0.9
            ? Finding(.pass, value: value, evidence: evidence)
            : Finding(.fail, value: value, reason: "lower LLAMA_N_GPU_LAYERS and restart", evidence: evidence)
    }

    /// Does work and reads the memory every other second meanwhile, for a later check to judge.
    static func sampling<Value: Sendable>(_ context: CheckContext, during work: @escaping @Sendable () async throws -> Value) async throws
        -> Value
    {
        let sampler = Task {
            while !Task.isCancelled, let reading = try? await read(context) {
                await context.notes.record(reading)
                try await Task.sleep(for: .seconds(2))
            }
        }
        defer { sampler.cancel() }
        return try await work()
    }

    /// The fullest moment of those that were read while the stack worked.
    static func underLoad(_ context: CheckContext) async -> Finding {
        let readings = await context.notes.gpuReadings
        guard let worst = readings.max(by: { ($0.share ?? 0) < ($1.share ?? 0) }) else {
            return await context.program("nvidia-smi", "-L") == nil
                ? .skip("no GPU on this machine") : Finding(.inconclusive, reason: "nothing was read while P2 ran")
        }
        // A moment at which a model was not loaded says nothing of the others.
        guard let loaded = readings.filter({ !$0.engines.isEmpty && $0.absent.isEmpty }).max(by: { ($0.share ?? 0) < ($1.share ?? 0) })
        else {
            return worst.finding
        }
        return loaded.finding
    }

    private static func rows(_ text: String) -> [[String]] {
        text.split(separator: "\n").map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
    }

    /// A process and those that began it: an engine may be a script's child, or have children.
    private static func lineage(_ pid: Int32) -> Set<Int32> {
        var found: Set<Int32> = []
        var next: Int32? = pid
        while let pid = next, pid > 1, found.insert(pid).inserted {
            // The fourth field; the command name before it may hold spaces and parentheses (proc_pid_stat(5)).
            let fields = KernelFile.text("/proc/\(pid)/stat")?.split(separator: ")").last?.split(separator: " ") ?? []
            next = fields.count > 1 ? Int32(fields[1]) : nil
        }
        return found
    }
}
