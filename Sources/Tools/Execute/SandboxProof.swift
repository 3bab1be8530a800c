import Sandbox
import ServiceLifecycle

/// Tries the sandbox when the service starts, so that the first call need not wait for it and a broken one is told of early.
struct SandboxProof: Service {
    let sandbox: Sandbox

    func run() async throws {
        async let _ = sandbox.preflight()
        try? await gracefulShutdown()
        await sandbox.close()
    }
}
