import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceKit

/// Streamable HTTP: `/mcp` for both eras. A request that says its own version in `_meta`, or whose header names the modern revision, is
/// served statelessly; the others belong to a session.
public struct MCPEndpoint: Sendable {
    let server: MCPServer
    /// A stream that says nothing gets a comment as often as this, lest somebody on the way take it for dead.
    let keepAlive: Duration

    public init(server: MCPServer, keepAlive: Duration = .seconds(15)) {
        self.server = server
        self.keepAlive = keepAlive
    }

    public var routes: [Route] {
        [
            Route(
                .post, "/mcp", "One message of the Model Context Protocol; answered with JSON or a stream.",
                metadata: ProtectedResource.path + "/mcp", stopsWhenClientLeaves: true
            ) { request, context in
                try await post(request, context)
            },
            Route(
                .delete, "/mcp", "Ends a session of an MCP client of the revisions before 2026-07-28.",
                metadata: ProtectedResource.path + "/mcp"
            ) { request, context in
                guard let id = request.headers[.mcpSessionID] else {
                    throw ServiceError.badRequest("Mcp-Session-Id names the session to end.", code: "missing_session")
                }
                try await server.sessions.end(id, by: context.caller)
                server.running.cancelAll(scope: id)
                return Response(status: .noContent)
            },
        ] + ProtectedResource.routes
    }

    private func post(_ request: Request, _ context: CallContext) async throws -> Response {
        let type = request.headers[.contentType]?.split(separator: ";").first?.trimmingCharacters(in: .whitespaces).lowercased()
        // A page elsewhere can make a browser send other types without asking first.
        guard type == "application/json" else {
            return Self.reply(
                nil, MCPError(MCPError.invalidRequest, "Content-Type must be application/json.", status: .unsupportedMediaType))
        }
        let accept = MCPAccept(request.headers[values: .accept])
        guard accept.json || accept.events else {
            return Self.reply(
                nil, MCPError(MCPError.invalidRequest, "Accept must list application/json and text/event-stream.", status: .notAcceptable))
        }
        do {
            let message = try MCPMessage(try await request.bytes(context).readableBytesView)
            switch message {
            case .request(let call):
                do {
                    return try await answer(call, request, context, accept)
                } catch let error as MCPError {
                    return Self.reply(call.id, error)
                } catch let error as ServiceError {
                    return Self.reply(call.id, MCPError(error))
                }
            case .notification(let method, let params):
                try await take(method, params, request, context)
                return Response(status: .accepted)
            case .response: return Self.reply(nil, .invalidRequest("This server asks nothing, so there is nothing to respond to."))
            }
        } catch let refusal as MCPRefusal {
            return Self.reply(refusal.id, refusal.error)
        } catch let error as MCPError {
            return Self.reply(nil, error)
        } catch let error as ServiceError {
            return Self.reply(nil, MCPError(error))
        }
    }

    private func answer(_ call: MCPRequest, _ request: Request, _ context: CallContext, _ accept: MCPAccept) async throws -> Response {
        let headers = request.headers
        if MCPEnvelope.isModern(call.params) || headers[.mcpProtocolVersion] == MCPRevision.july2026.rawValue {
            let envelope = try MCPEnvelope(call, headers: headers)
            return try await work(call, request, accept, place: nil) { notify in
                MCPExchange(
                    caller: context.caller, revision: envelope.revision, capabilities: envelope.capabilities,
                    address: context.remoteAddress?.ipAddress, requestID: RequestScope.current?.requestID, logLevel: envelope.logLevel,
                    notify: notify)
            }
        }
        if call.method == "initialize" {
            let (result, revision, capabilities) = try server.initialize(call)
            let session = try await server.sessions.open(context.caller, revision: revision, capabilities: capabilities)
            return .json(MCPReply.result(call.id, result), headers: [.mcpSessionID: session.id])
        }
        let session = try await session(headers, context)
        let place = try server.running.enter(call.id, scope: session.id)
        return try await work(call, request, accept, place: place) { notify in
            MCPExchange(
                caller: context.caller, revision: session.revision, capabilities: session.capabilities, sessionID: session.id,
                address: context.remoteAddress?.ipAddress, requestID: RequestScope.current?.requestID, logLevel: session.logLevel,
                notify: notify)
        }
    }

    /// Does the work while the client stays: as a stream when it wants to hear something on the way, else with one object at the end.
    private func work(
        _ call: MCPRequest, _ request: Request, _ accept: MCPAccept, place: RunningRequests.Place?,
        _ exchange: @escaping @Sendable (@escaping @Sendable (JSONValue) async -> Void) -> MCPExchange
    ) async throws -> Response {
        let quiet = exchange { _ in }
        let listens = call.method == "subscriptions/listen"
        let wantsNews = listens || (call.method == "tools/call" && (call.meta["progressToken"] != nil || quiet.logLevel != nil))
        if listens, !accept.events {
            throw MCPError(
                MCPError.invalidRequest, "subscriptions/listen answers with a stream; Accept must list text/event-stream.",
                status: .notAcceptable)
        }
        if accept.events, wantsNews || !accept.json {
            let scope = RequestScope.current
            let body = request.stream { writer in
                try await RequestScope.$current.withValue(scope) { try await stream(call, place, exchange, to: writer) }
            }
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-cache", .xAccelBuffering: "no"], body: body)
        }
        do {
            let result = try await request.whileClientStays {
                guard let place else { return try await server.answer(call, quiet) }
                return try await server.running.run(place) { try await server.answer(call, quiet) }
            }
            return .json(MCPReply.result(call.id, result))
        } catch is RequestCancelled {
            // Nobody waits for an answer; HTTP has to have one all the same.
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream", .xAccelBuffering: "no"],
                body: .init(byteBuffer: ByteBuffer(string: ": cancelled\n\n")))
        } catch let error as MCPError where !quiet.revision.isModern {
            return .json(MCPReply.error(call.id, error))
        }
    }

    private func stream(
        _ call: MCPRequest, _ place: RunningRequests.Place?,
        _ exchange: @escaping @Sendable (@escaping @Sendable (JSONValue) async -> Void) -> MCPExchange, to writer: StreamWriter
    ) async throws {
        let exchange = exchange { note in try? await writer.write(Self.event(note)) }
        let last: JSONValue? = try await withThrowingTaskGroup(of: JSONValue?.self) { group in
            group.addTask {
                do {
                    guard let place else { return MCPReply.result(call.id, try await server.answer(call, exchange)) }
                    return MCPReply.result(call.id, try await server.running.run(place) { try await server.answer(call, exchange) })
                } catch let error as MCPError {
                    return MCPReply.error(call.id, error)
                } catch is RequestCancelled {
                    return nil
                }
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: keepAlive)
                    try await writer.write(": ping\n\n")
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        if let last { try await writer.write(Self.event(last)) }
    }

    /// A notification. The modern revision has none over HTTP: closing the stream is how a request is taken back there.
    private func take(_ method: String, _ params: [String: JSONValue], _ request: Request, _ context: CallContext) async throws {
        let version = request.headers[.mcpProtocolVersion]
        if version == MCPRevision.july2026.rawValue { return }
        let session = try await session(request.headers, context)
        if method == "notifications/cancelled", let id = params["requestId"].flatMap({ RequestID($0) }) {
            server.running.cancel(id, scope: session.id)
        }
    }

    /// - Throws: 400 without a session or with a version that is not spoken, 404 for a session that is not the caller's.
    private func session(_ headers: HTTPFields, _ context: CallContext) async throws -> MCPSessions.Session {
        if let version = headers[.mcpProtocolVersion], MCPRevision(rawValue: version) == nil { throw MCPError.unsupportedVersion(version) }
        guard headers[values: .mcpSessionID].count == 1, let id = headers[.mcpSessionID] else {
            throw MCPError.invalidRequest("Mcp-Session-Id is missing; begin with initialize, or say the version in params._meta.")
        }
        return try await server.sessions.use(id, by: context.caller)
    }

    private static func event(_ message: JSONValue) -> String {
        guard let data = try? message.json() else { return ": a message could not be written\n\n" }
        return SSE.event(String(decoding: data, as: UTF8.self), name: "message")
    }

    private static func reply(_ id: RequestID?, _ error: MCPError) -> Response {
        var headers: HTTPFields = [:]
        if let retryAfter = error.retryAfter { headers[.retryAfter] = String(retryAfter) }
        return .json(MCPReply.error(id, error), status: error.status, headers: headers)
    }
}

/// What kinds of answers a client takes.
struct MCPAccept: Sendable {
    let json: Bool
    let events: Bool

    /// Without the header, JSON.
    init(_ values: [String]) {
        let types = values.flatMap { $0.split(separator: ",") }.map {
            $0.split(separator: ";").first.map { $0.trimmingCharacters(in: .whitespaces).lowercased() } ?? ""
        }
        json = types.isEmpty || types.contains { ["application/json", "application/*", "*/*"].contains($0) }
        events = types.contains { ["text/event-stream", "text/*"].contains($0) }
    }
}
