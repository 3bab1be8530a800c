import Sandbox
import Suite
import Testing

@Suite("Limits of the sandbox")
struct SandboxLimitsTests {
    @Test("They are those of the settings")
    func settings() async throws {
        let settings = try await Settings.load(flags: ["SANDBOX_MAX_MEMORY_MB": "64"], environment: ["HOME": "/nonexistent"])
        #expect(SandboxLimits(settings: settings, wallSeconds: 3).memory == 64 << 20)
    }
}
