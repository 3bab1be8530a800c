import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI

/// A call that somebody has to approve, by the means that the client has: a task; else rounds of the same request, each of which waits a
/// while; else, in legacy revisions, a failed result that says what to wait for.
extension MCPServer {
    /// What a round comes to.
    enum Round {
        /// The client is answered.
        case answer([String: JSONValue])
        /// The call goes its way, with the approval.
        case call(String)
    }

    /// The answer to a call that turned out to need approval.
    func firstRound(_ approval: MCPApproval, _ call: MCPCall, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        guard exchange.revision.isModern else { return Self.refusal(approval, Self.words(approval, call.tool)) }
        // Not a ternary: the literal `nil` would become JSON's null there.
        var question: JSONValue?
        if exchange.takesForms { question = Self.question(approval, call.tool) }
        if exchange.takesTasks {
            let task = await tasks.create(
                owner: exchange.caller, approval: approval, question: question, message: Self.words(approval, call.tool)
            ) { [tools, wait] running in
                await Self.carryOut(call, approval, tools, wait, running)
            }
            if var members = task?.objectValue {
                // The seed of a task carries no questions; they come with tasks/get.
                members["inputRequests"] = nil
                members["resultType"] = "task"
                return members
            }
        }
        return try anotherRound(approval, call.tool, call.arguments, question, exchange)
    }

    /// A call that comes again with the state of the round before: it waits for the decision, and then runs or says how it was decided.
    ///
    /// - Throws: -32602 for a state that is not of this call and caller, or was used.
    func nextRound(
        _ state: JSONValue, of tool: String, _ arguments: JSONValue, _ request: MCPRequest, _ exchange: MCPExchange
    ) async throws -> Round {
        guard let state = state.stringValue else { throw MCPError.invalidParams("“requestState” must be a string.") }
        let responses = request.params["inputResponses"] ?? [:]
        guard responses.objectValue != nil else { throw MCPError.invalidParams("“inputResponses” must be an object.") }
        let id = try states.redeem(
            state, principal: exchange.caller.id, method: request.method, digest: try RequestStates.digest(tool, arguments))
        switch responses[MCPTasks.question]?["action"]?.stringValue {
        case "decline":
            try await tools.withdraw(id, by: exchange.caller)
            let approval = try await tools.decision(on: id, within: .zero)
            return .answer(Self.refusal(approval, "The user took the request for approval back; nothing was run."))
        case "cancel":
            let approval = try await tools.decision(on: id, within: .zero)
            return .answer(Self.refusal(approval, Self.words(approval, tool)))
        default: break
        }
        let approval = try await tools.decision(on: id, within: wait)
        if approval.isPending { return .answer(try anotherRound(approval, tool, arguments, nil, exchange)) }
        guard approval.status == "approved" else { return .answer(Self.refusal(approval, Self.decided(approval))) }
        return .call(id)
    }

    private func anotherRound(
        _ approval: MCPApproval, _ tool: String, _ arguments: JSONValue, _ question: JSONValue?, _ exchange: MCPExchange
    ) throws -> [String: JSONValue] {
        let state = try states.seal(
            principal: exchange.caller.id, method: "tools/call", digest: try RequestStates.digest(tool, arguments), approval: approval.id)
        var result: [String: JSONValue] = [
            "resultType": "input_required", "requestState": .string(state), "_meta": ["maru/approval": approval.facts],
        ]
        if let question { result["inputRequests"] = [MCPTasks.question: question] }
        return result
    }

    /// The work of a task: waits for the decision, then runs the call with it.
    private static func carryOut(
        _ call: MCPCall, _ approval: MCPApproval, _ tools: any MCPToolset, _ wait: Duration, _ running: @Sendable () async -> Void
    ) async -> MCPTasks.Outcome {
        do {
            var decision = approval
            while decision.isPending {
                try Task.checkCancellation()
                decision = try await tools.decision(on: approval.id, within: wait)
            }
            guard decision.status == "approved" else { return .result(.object(refusal(decision, decided(decision)))) }
            await running()
            let granted = MCPCall(
                tool: call.tool, arguments: call.arguments, caller: call.caller, approval: approval.id, address: call.address,
                sessionID: call.sessionID, requestID: call.requestID)
            switch try await tools.call(granted) {
            case .done(let result): return .result(.object(json(result)))
            case .approvalNeeded(let next): return .result(.object(refusal(next, words(next, call.tool))))
            }
        } catch let error as ServiceError {
            return .result(.object(json(error)))
        } catch let error as MCPError {
            return .failed(error)
        } catch {
            return .failed(MCPError(MCPError.internalError, "The call was broken off.", status: .internalServerError))
        }
    }

    /// `tasks/get`, `tasks/update`, `tasks/cancel`.
    func task(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        guard exchange.takesTasks else { throw MCPError.missingExtension(MCPTasks.extensionName) }
        let id = try request.string("taskId")
        switch request.method {
        case "tasks/get": return try await tasks.state(id, of: exchange.caller).objectValue ?? [:]
        case "tasks/update":
            guard let responses = request.params["inputResponses"]?.objectValue else {
                throw MCPError.invalidParams("tasks/update needs the parameter “inputResponses”, an object.")
            }
            _ = try await tasks.update(id, responses, of: exchange.caller)
        default: try await tasks.cancel(id, of: exchange.caller)
        }
        return [:]
    }

    /// What the client may put before its user meanwhile: who has to approve is somebody else, so there is nothing to fill in.
    private static func question(_ approval: MCPApproval, _ tool: String) -> JSONValue {
        [
            "method": "elicitation/create",
            "params": [
                "mode": "form",
                "message": .string(
                    words(approval, tool) + " Accept to wait for the decision; decline to take the request back."),
                "requestedSchema": ["type": "object", "properties": [:]],
            ],
        ]
    }

    private static func words(_ approval: MCPApproval, _ tool: String) -> String {
        "\(tool) needs the approval of another person. Request \(approval.id) waits until \(approval.expiresAt.ISO8601Format())."
    }

    private static func decided(_ approval: MCPApproval) -> String {
        let reason = approval.reason.map { ": \($0)" } ?? "."
        return switch approval.status {
        case "rejected": "The call was not approved\(reason)"
        case "used": "The approval of this call was used already; an approval is good for one call."
        case "cancelled": "The request for approval was taken back\(reason)"
        default: "Nobody decided about the call in time; make it again to ask anew."
        }
    }

    private static func refusal(_ approval: MCPApproval, _ words: String) -> [String: JSONValue] {
        [
            "content": [["type": "text", "text": .string(words)]], "structuredContent": approval.facts, "isError": true,
            "_meta": ["status": 403, "code": "approval_required"],
        ]
    }
}
