import Foundation
import ServiceKit
import Testing

@Suite("Small parts")
struct SmallPartsTests {
    @Test("Server-sent events are read the same however the bytes are cut")
    func sse() {
        let text = "data: 가나다\n\ndata: {\"a\":1}\r\n\r\n: comment\nevent: x\ndata: one\ndata: two\n\n"
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            var parser = SSE.Parser()
            let events = parser.feed(bytes[..<cut]) + parser.feed(bytes[cut...])
            #expect(events == ["가나다", "{\"a\":1}", "one\ntwo"])
        }
    }

    @Test("The elements of an array keep their own bytes, whatever stands in them")
    func elements() throws {
        let texts = ["{ \"a\":[1, {\"b\":\"],[\\\"\"}] }", "[ ]", "\"\\\\\"", "1.0", "null", "\"한\""]
        var array = try JSONElements(" [" + texts.joined(separator: " ,\n") + " ] ")
        #expect(array.elements.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } == texts)
        array.elements = texts
        #expect(array.json == "[" + texts.joined(separator: ",") + "]")
        #expect(try JSONElements("[]").elements.isEmpty && JSONElements(" [ ] ").json == "[]")
        for bad in ["", "{}", "[1,]", "[1", "[1]]", "\"[]\""] {
            #expect(throws: ServiceError.self, "\(bad)") { try JSONElements(bad) }
        }
    }

    @Test("A value is written as JSON that Foundation reads as the same value")
    func jsonText() throws {
        let value: JSONValue = [
            "text": "\"quotes\", back\\slash, /slash, 한글 🙂, \u{2028}",
            "control": .string(String(decoding: 0..<0x21 as Range<UInt8>, as: UTF8.self)),
            "\"name\"\n": [nil, true, false, [], [:], ""], "whole": .integer(.min), "most": .unsigned(.max),
            "numbers": [0.1, -1e-7, 1e300, .number(.leastNonzeroMagnitude), 2.5],
        ]
        #expect(try JSONDecoder().decode(JSONValue.self, from: value.json()) == value)
        #expect(try JSONValue.number(3).json() == Data("3".utf8))
        for number in [Double.nan, .infinity, -.infinity] {
            #expect(throws: EncodingError.self) { try JSONValue.array([.number(number)]).json() }
        }
    }

    @Test("The members of an object are known by what their names mean, however they are written")
    func members() throws {
        let members = try JSONMembers(#"{"a\u0062":1,"한글":{"x":[2]},"":3}"#.utf8)
        #expect(members.names == ["ab", "한글", ""] && members["ab"] == "1" && members["한글"] == #"{"x":[2]}"#)
        for twice in [#"{"a":1,"\u0061":2}"#, #"{"a":1,"a":2}"#] {
            #expect(throws: ServiceError.self) { try JSONMembers(twice.utf8) }
            #expect(throws: ServiceError.self) { try JSONMembers(twice.utf8, isWellFormed: true) }
        }
    }

    @Test("Traces are carried on when they keep the specification, and begun anew otherwise")
    func traceparent() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        #expect(TraceParent(header: good)?.description == good)
        #expect(TraceParent(header: good)?.child.traceID == "0af7651916cd43dd8448eb211c80319c")
        for bad in [
            "", "00-0-0-0", good.uppercased(), good.replacing("0af7651916cd43dd8448eb211c80319c", with: String(repeating: "0", count: 32)),
        ] {
            #expect(TraceParent(header: bad) == nil)
        }
    }

    @Test("Waits double up to a bound and begin again after a good minute")
    func backoff() {
        var backoff = RestartBackoff()
        #expect((0..<7).map { _ in backoff.wait(afterRunning: .seconds(1)).components.seconds } == [1, 2, 4, 8, 16, 30, 30])
        #expect(backoff.wait(afterRunning: .seconds(61)) == .seconds(1))
    }

    @Test("A call is repeated while it fails for a passing reason, and not for another")
    func retry() async throws {
        let policy = RetryPolicy(attempts: 3, firstWait: .milliseconds(1))
        let calls = Calls()
        await #expect(throws: UpstreamError.self) {
            try await policy.run {
                await calls.count()
                throw UpstreamError(service: "x", status: 503, message: "")
            }
        }
        #expect(await calls.number == 3)
        await #expect(throws: UpstreamError.self) {
            try await policy.run {
                await calls.count()
                throw UpstreamError(service: "x", status: 404, message: "")
            }
        }
        #expect(await calls.number == 4)
    }

    @Test("A wait that the other side asks for is kept within the policy's own bound", .timeLimit(.minutes(1)))
    func longRetryAfter() async throws {
        let policy = RetryPolicy(attempts: 2, firstWait: .milliseconds(1), longestWait: .milliseconds(10))
        await #expect(throws: UpstreamError.self) {
            try await policy.run { throw UpstreamError(service: "x", status: 503, message: "", retryAfter: .seconds(3_600)) }
        }
    }

    private actor Calls {
        private(set) var number = 0
        func count() { number += 1 }
    }

    @Test("A process is not mistaken for another with its number")
    func identity() throws {
        let own = try #require(ProcessIdentity(pid: getpid()))
        #expect(own.isAlive)
        let text = String(decoding: try JSONEncoder().encode(own), as: UTF8.self).replacing(
            "\"started\":\(own.started)", with: "\"started\":1")
        #expect(try !JSONDecoder().decode(ProcessIdentity.self, from: Data(text.utf8)).isAlive)
    }

    #if os(Linux)
        @Test("A process whose first thread has ended lives as long as another of its threads")
        func firstThreadDone() async throws {
            let child = Process()
            child.executableURL = URL(filePath: "/usr/bin/env")
            let program = """
                import ctypes, threading, time
                threading.Thread(target=time.sleep, args=(600,)).start()
                ctypes.CDLL(None).pthread_exit(None)
                """
            child.arguments = ["python3", "-c", program]
            try child.run()
            let pid = child.processIdentifier
            defer { if child.isRunning { kill(pid, SIGKILL) } }
            let state = { KernelFile.text("/proc/\(pid)/stat")?.split(separator: ")").last?.split(separator: " ").first }
            for _ in 0..<600 where state() != "Z" { try await Task.sleep(for: .milliseconds(50)) }
            #expect(state() == "Z")
            let process = try #require(ProcessIdentity(pid: pid))
            await process.end(within: .milliseconds(200))
            #expect(!process.isAlive)
        }

        @Test("A table of the kernel is read to its end, however many pages it has")
        func kernelFile() throws {
            // A process that has loaded this many libraries has a map of many pages; the stack stands near its end.
            let maps = try #require(KernelFile.text("/proc/self/maps"))
            #expect(maps.utf8.count > 8_192)
            #expect(maps.contains("[stack]") && maps.hasSuffix("\n"))
            #expect(KernelFile.text("/proc/self/no-such-file") == nil)
        }
    #endif

    @Test("Work that blocks leaves the cooperative pool free", .timeLimit(.minutes(2)))
    func blocking() async throws {
        // As many as the cooperative pool has threads: blocked there, nobody would be left to let them go.
        let count = ProcessInfo.processInfo.activeProcessorCount
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let gate = DispatchSemaphore(value: 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    try await offPool {
                        begin.yield()
                        gate.wait()
                    }
                }
            }
            for await _ in begun.prefix(count) {}
            for _ in 0..<count { gate.signal() }
            try await group.waitForAll()
        }
    }

    @Test("An error of blocking work is the caller's, and a cancelled caller's work does not begin")
    func blockingEnds() async throws {
        await #expect(throws: CocoaError.self) { try await offPool { throw CocoaError(.fileNoSuchFile) } }
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await offPool { Issue.record("it began") }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
