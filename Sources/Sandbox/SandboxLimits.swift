import Suite

/// What one run in the sandbox may use.
public struct SandboxLimits: Sendable, Equatable {
    /// Bytes of memory of all its processes together, files in its scratch folders included.
    public var memory: Int
    /// Seconds of processor time of each of its processes.
    public var cpuSeconds: Int
    /// Seconds on the clock.
    public var wallSeconds: Int
    /// Bytes that are kept of each output.
    public var output: Int
    /// Bytes of one file.
    public var fileSize: Int
    /// Processes and threads.
    public var processes: Int

    public init(settings: Settings, wallSeconds: Int) {
        memory = settings[SettingKeys.sandboxMemory] << 20
        cpuSeconds = settings[SettingKeys.sandboxCPUTime]
        self.wallSeconds = wallSeconds
        output = settings[SettingKeys.sandboxOutput]
        fileSize = settings[SettingKeys.sandboxFileSize]
        processes = settings[SettingKeys.sandboxProcesses]
    }

    /// Bytes of all files in `/tmp` together.
    var scratch: Int { memory / 4 }
}

extension SandboxResult.Limit {
    /// What a caller is told of it.
    public func told(_ limits: SandboxLimits) -> String {
        switch self {
        case .time: "Execution timed out (\(limits.wallSeconds)s)"
        case .cpu: "The run was ended: it used its \(limits.cpuSeconds) s of processor time (SANDBOX_MAX_CPU_TIME)."
        case .memory: "The run was ended: it used its \(limits.memory >> 20) MiB of memory (SANDBOX_MAX_MEMORY_MB)."
        case .output: "The run was ended: output truncated, max \(limits.output) bytes (SANDBOX_MAX_OUTPUT_SIZE)."
        case .processes: "The run reached its \(limits.processes) processes and threads (SANDBOX_MAX_PROCESSES)."
        case .fileSize: "The run was ended: a file reached \(limits.fileSize) bytes (SANDBOX_MAX_FILE_SIZE)."
        }
    }
}
