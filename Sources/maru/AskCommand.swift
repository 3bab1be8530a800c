import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru ask`.
struct AskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask", abstract: "Ask about your documents; the answer cites its sources.",
        discussion: "Index documents first: maru index documents/")

    @Argument(help: "The question, in Korean or English.") var question: String
    @Option(help: "The collection to look in.") var collection: String?
    @Option(help: "Passages the answer is built on.") var topk: Int?
    @Flag(help: "Print the whole answer as JSON.") var json = false
    @Flag(inversion: .prefixedNo, help: "Show the answer as it is made.") var stream = true
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let client = try await Session(given).clients.retrieval
        let request = QueryRequest(query: question, collection: collection, topk: topk)
        if stream, !json { return try await reachable { try await streamed(client, request) } }
        let answer = try await reachable { try await client.query(request) }
        if json { return print(String(decoding: try JSONEncoder.sorted.encode(answer), as: UTF8.self)) }
        print(answer.answer)
        printSources(answer)
    }

    private func streamed(_ client: RetrievalClient, _ request: QueryRequest) async throws {
        var shown = ""
        for try await event in try await client.stream(request) {
            switch event {
            case .sources: break
            case .delta(let part):
                FileHandle.standardOutput.write(Data(part.utf8))
                shown += part
            case .done(let answer):
                // Citations are settled at the end: what that adds is shown, and the whole again where it changed what was said.
                print(answer.answer.hasPrefix(shown) ? answer.answer.dropFirst(shown.count) : "\n→ " + answer.answer)
                printSources(answer)
            }
        }
    }

    private func printSources(_ answer: QueryResponse) {
        guard answer.answered else { return }
        print("")
        for source in answer.sources where answer.answer.contains("[\(source.index)]") {
            print("[\(source.index)] \(source.file):\(source.lines.map(String.init).joined(separator: "-"))")
        }
    }
}
