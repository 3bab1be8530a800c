import Sandbox
import ServiceLifecycle

/// Tries the sandbox when the service starts, so that the first call need not wait for it and a broken one is told of early.
struct SandboxProof: Service {
    let sandbox: Sandbox

    func run() async throws {
        // Not waited for: a service that is told to end while it tries does so at once, and what is tried ends with it.
        Task { await sandbox.preflight() }
        try await gracefulShutdown()
    }
}
