import Suite

/// What one run in the sandbox may use.
public struct SandboxLimits: Sendable, Equatable {
    /// Bytes of memory of all its processes together.
    public var memory: Int
    /// Seconds of processor time.
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
}
