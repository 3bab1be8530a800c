import Foundation
import ServiceKit
import SystemPackage
import Testing

@testable import Sandbox

@Suite("The watch over memory")
struct MemoryWatchTests {
    @Test("What a process and its children hold is seen together, and whoever passes the limit is stopped")
    func stops() async throws {
        let program = BoundedProgram(
            name: "python3", environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"], timeLimit: .seconds(60))
        let hungry = "import os, time\nos.fork()\nb = os.urandom(40 << 20)\ntime.sleep(50)"
        let output = try await program.runToEnd(["-I", "-S", "-c", hungry], in: "/") { running in
            if await MemoryWatch(limit: 64 << 20).isPassed(by: running.pid) { running.stop() }
        }
        #expect(output.ending == .stopped)
        #expect(MemoryWatch.held(by: getpid()) > 1 << 20 && MemoryWatch.held(by: 0) == 0)
    }
}
