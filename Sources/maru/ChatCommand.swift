import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru chat`.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk to the model; the answer is shown as it is made.",
        discussion: "Without a question it reads them line by line and remembers the conversation; “exit” or Ctrl-D ends.")

    @Argument(help: "The question.") var question: [String] = []
    @Flag(help: "Ask the code model.") var code = false
    @Option(help: "A model of the gateway, by name.") var model: String?
    @Option(help: "Instructions for the model.") var system: String?
    @Option(help: "Tokens an answer may have.") var maxTokens = 512
    @Flag(help: "Use what is remembered of earlier conversations, and remember this one.") var memory = false
    @Option(help: ArgumentHelp("The project whose memory is used; that of the folder without, else your own.", valueName: "id"))
    var project: String?
    @OptionGroup var given: SettingFlags

    func validate() throws {
        if project != nil, !memory { throw ValidationError("--project is for --memory.") }
    }

    func run() async throws {
        let session = try await Session(given)
        // As with the commands of memory: the folder's project, where it has one.
        let meant = memory ? try project ?? MemoryProjectFile.nearest(to: .currentDirectory())?.project_id : nil
        let chat = session.clients.chat(memory: memory ? .init(project: meant, session: UUID().uuidString.lowercased()) : nil)
        let name = model ?? session.settings[code ? SettingKeys.codeAlias : SettingKeys.chatAlias]
        var messages = system.map { [ChatRequest.Message(role: "system", content: $0)] } ?? []
        if !question.isEmpty {
            messages.append(.init(role: "user", content: question.joined(separator: " ")))
            _ = try await answer(messages, name, chat)
            return
        }
        while true {
            if Terminal.isInteractive { FileHandle.standardOutput.write(Data("> ".utf8)) }
            guard let line = await Self.nextLine(), !["exit", "quit"].contains(line) else { return }
            guard !line.isEmpty else { continue }
            messages.append(.init(role: "user", content: line))
            messages.append(.init(role: "assistant", content: try await answer(messages, name, chat)))
        }
    }

    private func answer(_ messages: [ChatRequest.Message], _ model: String, _ chat: ChatClient) async throws -> String {
        var text = ""
        try await reachable {
            let request = ChatRequest(model: model, messages: messages, maxTokens: maxTokens)
            for try await chunk in try await chat.stream(request, memory: tell) {
                guard let part = chunk.choices.first?.delta.content else { continue }
                FileHandle.standardOutput.write(Data(part.utf8))
                text += part
            }
        }
        print("")
        return text
    }

    /// What the gateway says of memory, where it is not what was asked for.
    private func tell(_ state: String) {
        guard memory, state != "on" else { return }
        FileHandle.standardError.write(
            Data(
                (state == "unavailable"
                    ? "Memory does not answer now: nothing is recalled.\n" : "You may not save in memory: this is not remembered.\n").utf8))
    }

    /// A line of standard input, read where waiting harms nobody.
    private static func nextLine() async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: readLine()?.trimmingCharacters(in: .whitespaces)) }
        }
    }
}
