import Dispatch
import Foundation
import Logging
import ServiceKit

/// MCP over standard input and output: one message a line, nothing else on standard output.
///
/// Both eras are spoken: a request that says its version in `_meta` is served as it is, the others after an `initialize`.
public actor StdioServer {
    /// Bytes of a line at the most.
    static let maxLine = 16_777_216
    /// Messages that are read ahead of the work.
    static let readAhead = 64

    private let server: MCPServer
    private let caller: Caller
    private let input: FileHandle
    private let output: LineWriter
    private let logger: Logger
    private let scope = RequestScope.makeID()
    private var handshake: (revision: MCPRevision, capabilities: JSONValue)?
    private var logLevel: MCPLogLevel?

    public init(
        server: MCPServer, caller: Caller, input: FileHandle = .standardInput, output: FileHandle = .standardOutput, logger: Logger
    ) {
        self.server = server
        self.caller = caller
        self.input = input
        self.output = LineWriter(output)
        self.logger = logger
    }

    /// Serves until the input ends. What is then still running has a second to be done.
    public func run() async throws {
        // A semaphore that is given up below the value it was made with traps (dispatch_semaphore_create(3)): lines that nobody takes any
        // more, because this was cancelled, would bring that about.
        let room = DispatchSemaphore(value: 0)
        for _ in 0..<Self.readAhead { room.signal() }
        let lines = LineReader.lines(of: input, limit: Self.maxLine, room: room)
        await withDiscardingTaskGroup { group in
            for await line in lines {
                room.signal()
                guard let work = await take(line) else { continue }
                group.addTask { await work() }
            }
            var patience = 100
            while server.running.count(scope: scope) > 0, patience > 0 {
                patience -= 1
                try? await Task.sleep(for: .milliseconds(10))
            }
            server.running.cancelAll(scope: scope)
            group.cancelAll()
        }
        await server.tasks.close()
    }

    /// Takes a message in its turn; what takes longer is given back as work.
    private func take(_ line: LineReader.Line) async -> (@Sendable () async -> Void)? {
        guard case .whole(let bytes) = line else {
            await output.write(MCPReply.error(nil, .invalidRequest("A line has at most \(Self.maxLine) bytes.")))
            return nil
        }
        do {
            switch try MCPMessage(bytes) {
            case .request(let request): return try await begin(request)
            case .notification("notifications/cancelled", let params):
                if let id = params["requestId"].flatMap({ RequestID($0) }) { server.running.cancel(id, scope: scope) }
            case .notification, .response: break
            }
        } catch let refusal as MCPRefusal {
            await output.write(MCPReply.error(refusal.id, refusal.error))
        } catch {
            logger.error("a message could not be taken", metadata: ["cause": "\(error)"])
        }
        return nil
    }

    private func begin(_ request: MCPRequest) async throws -> (@Sendable () async -> Void)? {
        do {
            let isModern = MCPEnvelope.isModern(request.params)
            if request.method == "initialize", !isModern {
                let (result, revision, capabilities) = try server.initialize(request)
                handshake = (revision, capabilities)
                await output.write(MCPReply.result(request.id, result))
                return nil
            }
            let exchange = try exchange(request, isModern)
            if request.method == "logging/setLevel", !isModern, let level = request.params["level"]?.stringValue {
                logLevel = MCPLogLevel(rawValue: level) ?? logLevel
            }
            let place = try server.running.enter(request.id, scope: scope)
            return { [server, output] in
                do {
                    let result = try await server.running.run(place) { try await server.answer(request, exchange) }
                    await output.write(MCPReply.result(request.id, result))
                } catch let error as MCPError {
                    await output.write(MCPReply.error(request.id, error))
                } catch is RequestCancelled {
                } catch is CancellationError {
                } catch {
                    let hidden = MCPError(MCPError.internalError, "Something went wrong here; the log has the details.")
                    await output.write(MCPReply.error(request.id, hidden))
                }
            }
        } catch let error as MCPError {
            await output.write(MCPReply.error(request.id, error))
            return nil
        }
    }

    private func exchange(_ request: MCPRequest, _ isModern: Bool) throws -> MCPExchange {
        let notify: @Sendable (JSONValue) async -> Void = { [output] note in await output.write(note) }
        let requestID = RequestScope.makeID()
        if !isModern, let handshake {
            return MCPExchange(
                caller: caller, revision: handshake.revision, capabilities: handshake.capabilities, sessionID: scope,
                requestID: requestID, logLevel: logLevel, notify: notify)
        }
        if !isModern, request.method == "ping" { return MCPExchange(caller: caller, revision: .november2025, notify: notify) }
        let envelope = try MCPEnvelope(request, headers: nil)
        return MCPExchange(
            caller: caller, revision: envelope.revision, capabilities: envelope.capabilities, requestID: requestID,
            logLevel: envelope.logLevel, notify: notify)
    }
}

/// Writes whole lines, one after the other. Waits for the reader on a queue of its own.
actor LineWriter {
    private nonisolated let executor = BlockingExecutor("maru.stdio.out")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let file: FileHandle

    init(_ file: FileHandle) { self.file = file }

    func write(_ message: JSONValue) {
        guard var data = try? message.json() else { return }
        data.append(0x0a)
        // A client that is gone closes the input too, and that ends the server.
        try? file.write(contentsOf: data)
    }
}
