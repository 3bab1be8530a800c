import ServiceKit
import Suite
import SuiteAPI

/// `switch_model`.
struct SwitchModel: Tool {
    let name = "switch_model"
    let clients: SuiteClients

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let service = Self.service(arguments)
        let wanted = Self.model(arguments)
        let answer = try await Self.telling(context, "\(service) loads \(wanted ?? "its model")") {
            try await Self.told { try await clients.inference(service).switchModel(ModelSwitchRequest(model: wanted)) }
        }
        let message = answer.message + (service == .inferenceChat ? await forgetAnswers(since: answer) : "")
        return ToolResult(
            [
                "success": .bool(answer.success), "message": .string(message), "current_model": .string(answer.current_model),
                "switch_time_seconds": .number(answer.switch_time_seconds),
            ], text: message)
    }

    /// An approver is told which model goes and which comes; a call for one that cannot be had is put before nobody.
    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        let order = ModelSwitchRequest(model: Self.model(arguments), dryRun: true)
        do {
            return try await Self.told { try await clients.inference(Self.service(arguments)).switchModel(order) }.message
        } catch let error as UpstreamError {
            throw error.asServiceError
        }
    }

    /// Retrieval keeps answers of the model before, and would give them as those of the new one.
    private func forgetAnswers(since answer: ModelSwitchAnswer) async -> String {
        guard answer.switch_time_seconds > 0 else { return "" }
        do {
            try await clients.retrieval.forgetAnswers()
            return " Answers that rag had kept are forgotten."
        } catch {
            return " Answers that rag had kept could not be forgotten: DELETE /cache there does it."
        }
    }

    private static func service(_ arguments: ToolArguments) -> ServiceID {
        arguments.string("model_type") == "code" ? .inferenceCode : .inferenceChat
    }

    private static func model(_ arguments: ToolArguments) -> String? {
        arguments.optionalString("model").flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Does work and says every second that it goes on. How long a model loads nobody knows; the share only shows that it moves.
    private static func telling<Value: Sendable>(
        _ context: ToolContext, _ message: String, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        let teller = Task {
            while !Task.isCancelled {
                let seconds = start.duration(to: .now).seconds
                await context.progress(seconds / (seconds + 10), "\(message) (\(Int(seconds)) s)")
                try await Task.sleep(for: .seconds(1))
            }
        }
        defer { teller.cancel() }
        return try await work()
    }
}
