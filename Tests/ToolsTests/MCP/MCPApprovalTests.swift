import Foundation
import ServiceKit
import Synchronization
import Testing

@testable import Tools

@Suite("Approvals by the protocol")
struct MCPApprovalTests {
    private static let call: [String: JSONValue] = ["name": "execute_python", "arguments": ["code": "1"]]
    private static let tasks: JSONValue = ["extensions": ["io.modelcontextprotocol/tasks": [:]]]

    private func next(_ state: JSONValue?, _ responses: JSONValue? = nil) -> [String: JSONValue] {
        var params = Self.call
        params["requestState"] = state
        params["inputResponses"] = responses
        return params
    }

    @Test("A client without forms and tasks goes round with a state until the decision, and then has the result")
    func rounds() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let first = try await wire.modern("tools/call", Self.call).result
            #expect(first["resultType"] == "input_required" && first["inputRequests"] == nil)
            let second = try await wire.modern("tools/call", next(first["requestState"])).result
            #expect(second["resultType"] == "input_required" && second["requestState"] != first["requestState"])
            await wire.bench.decide("approved")
            let third = try await wire.modern("tools/call", next(second["requestState"])).result
            #expect(third["resultType"] == "complete" && third["isError"] == false)
        }
    }

    @Test("A client with forms is told who has to approve; declining takes the request back")
    func forms() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let first = try await wire.modern("tools/call", Self.call, capabilities: ["elicitation": [:]]).result
            let question = first["inputRequests"]?["approval"]
            #expect(question?["method"] == "elicitation/create")
            #expect(question?["params"]?["message"]?.stringValue?.contains("another person") == true)
            let declined = try await wire.modern(
                "tools/call", next(first["requestState"], ["approval": ["action": "decline"]]), capabilities: ["elicitation": [:]]
            ).result
            #expect(declined["isError"] == true && declined["structuredContent"]?["status"] == "cancelled")
            #expect(await wire.bench.calls.isEmpty)
        }
    }

    @Test("A call that was not approved says so and never runs", arguments: ["rejected", "expired", "cancelled"])
    func refused(status: String) async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let first = try await wire.modern("tools/call", Self.call).result
            await wire.bench.decide(status)
            let second = try await wire.modern("tools/call", next(first["requestState"])).result
            #expect(second["isError"] == true && second["structuredContent"]?["status"] == .string(status))
            #expect(await wire.bench.calls.isEmpty)
        }
    }

    @Test("A requestState is good for its caller, its arguments and one round alone; a forged one is refused")
    func bound() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let state = try #require(try await wire.modern("tools/call", Self.call).result["requestState"]?.stringValue)
            await wire.bench.decide("approved")
            #expect(try await wire.modern("tools/call", next(.string(state)), key: "ben").code == -32_602)
            var other = next(.string(state))
            other["arguments"] = ["code": "2"]
            #expect(try await wire.modern("tools/call", other).code == -32_602)
            let bytes = try #require(Data(base64Encoded: state))
            for position in [0, 12, bytes.count - 1] {
                var forged = bytes
                forged[position] ^= 1
                #expect(try await wire.modern("tools/call", next(.string(forged.base64EncodedString()))).code == -32_602)
            }
            #expect(try await wire.modern("tools/call", next(.string(""))).code == -32_602)
            #expect(try await wire.modern("tools/call", next(.string(state))).result["isError"] == false)
            #expect(try await wire.modern("tools/call", next(.string(state))).code == -32_602)
            #expect(await wire.bench.calls.count == 1)
        }
    }

    @Test("A requestState expires")
    func expiry() throws {
        let now = Mutex(Date())
        let states = RequestStates(lifetime: 60, clock: { now.withLock { $0 } })
        let state = try states.seal(principal: "ann", method: "tools/call", digest: "d", approval: "a")
        now.withLock { $0 += 61 }
        #expect(throws: MCPError.self) { try states.redeem(state, principal: "ann", method: "tools/call", digest: "d") }
    }

    @Test("A client with tasks gets one at once; once approved the call runs and its result is kept")
    func task() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let made = try await wire.modern("tools/call", Self.call, capabilities: Self.tasks).result
            #expect(made["resultType"] == "task" && made["status"] == "working")
            let id = try #require(made["taskId"])
            #expect((id.stringValue?.count ?? 0) >= 32)
            let waiting = try await wire.modern("tasks/get", ["taskId": id], capabilities: Self.tasks).result
            #expect(waiting["resultType"] == "complete" && waiting["status"] == "working")
            await wire.bench.decide("approved")
            try await wire.bench.until { $0.calls.count == 1 }
            let done = try await over(wire, id)
            #expect(done["status"] == "completed" && done["result"]?["isError"] == false)
            #expect(try await over(wire, id)["result"] == done["result"])
        }
    }

    @Test("A task is its caller's alone, and nobody without the extension may ask for it")
    func taskBound() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let id = try #require(try await wire.modern("tools/call", Self.call, capabilities: Self.tasks).result["taskId"])
            for method in ["tasks/get", "tasks/cancel"] {
                #expect(try await wire.modern(method, ["taskId": id], capabilities: Self.tasks, key: "ben").code == -32_602)
            }
            let answer = try await wire.modern("tasks/get", ["taskId": id])
            #expect(answer.status == 400 && answer.code == -32_021)
        }
    }

    @Test("A task that is cancelled never runs, even when it is approved after that")
    func cancelled() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let id = try #require(try await wire.modern("tools/call", Self.call, capabilities: Self.tasks).result["taskId"])
            #expect(try await wire.modern("tasks/cancel", ["taskId": id], capabilities: Self.tasks).result["resultType"] == "complete")
            await wire.bench.decide("approved")
            #expect(try await over(wire, id)["status"] == "cancelled")
            #expect(await wire.bench.calls.isEmpty)
        }
    }

    @Test("With forms too a task asks one question; the answer to it sets the task working again")
    func question() async throws {
        try await MCPWire.run { (wire: MCPWire) async throws in
            let both: JSONValue = ["extensions": ["io.modelcontextprotocol/tasks": [:]], "elicitation": ["form": [:]]]
            let made = try await wire.modern("tools/call", Self.call, capabilities: both).result
            #expect(made["status"] == "input_required" && made["inputRequests"] == nil)
            let id = try #require(made["taskId"])
            let asked = try await wire.modern("tasks/get", ["taskId": id], capabilities: both).result
            #expect(asked["inputRequests"]?["approval"]?["method"] == "elicitation/create")
            let accept: JSONValue = ["approval": ["action": "accept"], "unknown": ["action": "accept"]]
            _ = try await wire.modern("tasks/update", ["taskId": id, "inputResponses": accept], capabilities: both)
            #expect(try await wire.modern("tasks/get", ["taskId": id], capabilities: both).result["status"] == "working")
        }
    }

    @Test("There are at most so many tasks for a caller; past that the client goes round instead")
    func bounded() async {
        let tasks = MCPTasks(limit: 8, limitPerOwner: 1)
        let approval = MCPApproval(id: "a", status: "pending", expiresAt: .distantFuture)
        let ann = Caller(id: "ann", role: .developer)
        #expect(await tasks.create(owner: ann, approval: approval, question: nil, message: "") { _ in .result([:]) } != nil)
        #expect(await tasks.create(owner: ann, approval: approval, question: nil, message: "") { _ in .result([:]) } == nil)
    }

    @Test("When the service ends, a task is broken off and waited for, and no other is begun", .timeLimit(.minutes(1)))
    func closed() async {
        let tasks = MCPTasks()
        let approval = MCPApproval(id: "a", status: "pending", expiresAt: .distantFuture)
        let ann = Caller(id: "ann", role: .developer)
        let ended = Mutex(false)
        let began = AsyncStream<Void>.makeStream()
        _ = await tasks.create(owner: ann, approval: approval, question: nil, message: "") { _ in
            began.continuation.finish()
            // A program takes a moment to be gone after it was told to end.
            try? await Task.sleep(for: .seconds(3_600))
            await Task.detached { try? await Task.sleep(for: .milliseconds(50)) }.value
            ended.withLock { $0 = true }
            return .result([:])
        }
        for await _ in began.stream {}
        await tasks.close()
        #expect(ended.withLock { $0 })
        #expect(await tasks.create(owner: ann, approval: approval, question: nil, message: "") { _ in .result([:]) } == nil)
    }

    /// The task once it is over; the limit only ends a test that would hang.
    private func over(_ wire: MCPWire, _ id: JSONValue) async throws -> JSONValue {
        let end = ContinuousClock.now.advanced(by: .seconds(20))
        while true {
            let state = try await wire.modern("tasks/get", ["taskId": id], capabilities: Self.tasks).result
            if ["completed", "failed", "cancelled"].contains(state["status"]?.stringValue) { return state }
            try #require(ContinuousClock.now < end)
        }
    }
}
