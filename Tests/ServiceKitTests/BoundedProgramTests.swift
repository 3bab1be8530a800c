import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage
import Testing

@Suite("Programs that are run for somebody else")
struct BoundedProgramTests {
    private func program(output: Int = 1 << 20, time: Duration = .seconds(30)) -> BoundedProgram {
        BoundedProgram(name: "sh", environment: ["PATH": "/usr/bin:/bin"], outputLimit: output, timeLimit: time)
    }

    @Test("Outputs, standard input and the exit status come through")
    func plain() async throws {
        let output = try await program().run(["-c", "cat; echo bad >&2; exit 3"], in: "/", input: Array("in".utf8))
        #expect(output.outText == "in" && output.errText == "bad\n" && output.status == 3 && output.ending == .exited(3))
        #expect(try await program().run(["-c", "kill -TERM $$"], in: "/").status == 143)
    }

    @Test("Past a limit the whole group is killed, and what came before is kept")
    func limits() async throws {
        let slow = try await program(time: .seconds(5)).runToEnd(["-c", "echo begun; sleep 60 & sleep 60"], in: "/")
        #expect(slow.ending == .outOfTime && slow.outText == "begun\n")
        let error = await #expect(throws: ServiceError.self) {
            try await program(time: .milliseconds(100)).run(["-c", "sleep 60"], in: "/")
        }
        #expect(error?.code == "timeout" && error?.status == .gatewayTimeout)
        let loud = try await program(output: 100).run(["-c", "while :; do echo x; done"], in: "/")
        #expect(loud.isCut && loud.out.count == 100)
    }

    @Test("Whenever it is cancelled, with input that is not read, nothing but the call ends")
    func cancelled() async throws {
        for step in 0..<100 {
            let call = Task {
                try await program().run(["-c", "sleep 60"], in: "/", input: [UInt8](repeating: 0x78, count: step % 2 * 1_000_000))
            }
            try await Task.sleep(for: .microseconds(step * step * 4))
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
        }
    }

    @Test("Input that nobody reads is no error")
    func unread() async throws {
        for _ in 0..<20 {
            let output = try await program().run(["-c", "exit 0"], in: "/", input: [UInt8](repeating: 0x78, count: 1_000_000))
            #expect(output.status == 0)
        }
        // Nor may the signal end this process, which need not have opened a socket yet; a program that is run still ends by it.
        raise(SIGPIPE)
        #expect(try await program().run(["-c", "kill -PIPE $$; echo alive"], in: "/").status == 128 + Int(SIGPIPE))
    }
}
