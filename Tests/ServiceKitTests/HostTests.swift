import Foundation
import ServiceKit
import Testing

@Suite("The machine")
struct HostTests {
    @Test("GPUs are read from what nvidia-smi prints; a figure that is none is left out")
    func gpus() {
        let told = GPU.told(
            "6141, 512, NVIDIA RTX A1000\n24564, 0, NVIDIA GeForce RTX 4090, special\n[N/A], [N/A], NVIDIA GB10\nnonsense\n")
        #expect(
            told == [
                GPU(name: "NVIDIA RTX A1000", memory: 6_141 << 20, memoryUsed: 512 << 20),
                GPU(name: "NVIDIA GeForce RTX 4090, special", memory: 24_564 << 20, memoryUsed: 0),
                GPU(name: "NVIDIA GB10", memory: nil, memoryUsed: nil),
            ])
        #expect(GPU.told("0, 0, A\n18446744073709551615, 1, B\n").allSatisfy { $0.memory == nil })
    }

    @Test("Memory is that of the machine or less, and what can be had is less than all")
    func memory() throws {
        let memory = HostMemory.read()
        #expect(memory.total > 64 << 20 && memory.total <= ProcessInfo.processInfo.physicalMemory)
        #if os(Linux)
            let available = try #require(memory.available)
            #expect(available > 0 && available < memory.total)
        #endif
    }

    @Test("A call that may not be repeated is not, whatever the policy allows")
    func retries() async throws {
        actor Calls {
            var count = 0
            func fail(_ status: Int) throws {
                count += 1
                throw UpstreamError(service: "x", status: status, message: "no")
            }
        }
        let policy = RetryPolicy(attempts: 3, firstWait: .milliseconds(1), longestWait: .milliseconds(2))
        for (status, count) in [(503, 1), (429, 3)] {
            let calls = Calls()
            await #expect(throws: UpstreamError.self) { try await policy.run(while: { $0.status == 429 }) { try await calls.fail(status) } }
            #expect(await calls.count == count)
        }
    }
}
