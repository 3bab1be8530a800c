import HTTPTypes
import Sandbox
import ServiceKit

/// What administrators see of the sandbox.
struct SandboxRoutes: Sendable {
    let sandbox: Sandbox

    var all: [Route] {
        [
            Route(
                .get, "/security/sandbox", "Tries anew to break out of the sandbox; says of each kind of isolation whether it holds.",
                access: .role(.admin)
            ) { _, _ in
                let findings = await sandbox.state == .off ? [] : await sandbox.check()
                let state = await sandbox.state
                return .json(
                    [
                        "success": true, "state": .string(state.description), "findings": try JSONValue.of(findings),
                        "memory_bound": .string(await sandbox.memoryBound()),
                    ] as JSONValue)
            }
        ]
    }
}
