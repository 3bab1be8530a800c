import ArgumentParser
import Foundation
import ServiceKit
import SuiteAPI

/// `maru memory search`.
struct MemorySearch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "search", abstract: "Find what was said, by words and by meaning.")
    @Argument(help: "What to look for; without it the most important comes first.") var query: [String] = []
    @Option(help: "Conversations at the most.") var limit = 10
    @Option(help: "Of this importance at the least, 1 to 10.") var minImportance: Int?
    @Option(help: "Not before this time, as 2026-01-31T00:00:00Z.") var since: String?
    @Option(help: "Before this time.") var until: String?
    @Option(help: "With this tag; may be given more than once.") var tag: [String] = []
    @Flag(help: "By words alone.") var words = false
    @Flag(help: "By meaning alone.") var meaning = false
    @OptionGroup var options: MemoryOptions

    func validate() throws {
        if words && meaning { throw ValidationError("--words and --meaning leave each other out; without either both are searched.") }
    }

    func run() async throws {
        let found = try await options.asking { client, project in
            var request = SearchConversationsRequest(
                query: query.isEmpty ? nil : query.joined(separator: " "), limit: limit,
                use_vector_search: words ? false : meaning ? true : nil, project_id: project)
            (request.importance_min, request.since, request.until) = (minImportance, since, until)
            request.tags = tag.isEmpty ? nil : tag
            return try await client.search(request)
        }
        if let problem = found.vector_search_unavailable {
            FileHandle.standardError.write(Data("Meaning was left out: \(problem)\n".utf8))
        }
        try options.show(JSONValue.array(found.results)) {
            found.results.isEmpty ? "Nothing was found." : found.results.map { MemoryText.turn($0) }.joined(separator: "\n")
        }
    }
}

/// `maru memory recall`.
struct MemoryRecall: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recall", abstract: "Show what a model would be told of memory for a question.")
    @Argument(help: "The question.") var question: [String]
    @Option(help: "Characters at the most.") var maxChars: Int?
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let found = try await options.asking { client, project in
            try await client.recall(RecallRequest(query: question.joined(separator: " "), project_id: project, max_chars: maxChars))
        }
        try options.show(found) { found.text.isEmpty ? "Nothing is remembered about it." : VisibleText.block(found.text) }
    }
}

/// `maru memory save`.
struct MemorySave: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "save", abstract: "Keep a turn.")
    @Argument(help: "What was asked or said.") var query: String
    @Argument(help: "What was answered.") var response: String
    @Option(help: "A tag; may be given more than once.") var tag: [String] = []
    @Option(help: "1 to 10; without it the service judges. 10 is kept for ever.") var importance: Int?
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let saved = try await options.asking { client, project in
            try await client.save(
                SaveConversationRequest(
                    user_query: query, ai_response: response, tags: tag, project_id: project, importance_score: importance))
        }
        try options.show(saved) {
            "Kept as #\(saved.conversation_id) in \(saved.project_id), importance \(saved.importance_score), \(saved.expires_at.map { "until \($0)" } ?? "for ever")"
        }
    }
}

/// `maru memory list`.
struct MemoryList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Conversations, newest first.")
    @Option(help: "Conversations at the most.") var limit = 20
    @Option(help: "Conversations that are passed over.") var offset = 0
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let page = try await options.asking { try await $0.list($1, limit: limit, offset: offset) }
        let rows = page["conversations"]?.arrayValue ?? []
        try options.show(page) {
            (rows.map { MemoryText.turn($0) } + ["\(rows.count) of \(page["total"]?.intValue ?? 0)"]).joined(separator: "\n")
        }
    }
}

/// `maru memory show`.
struct MemoryShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One conversation in full.")
    @Argument(help: "Its number.") var id: Int64
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let answer = try await options.asking { try await $0.conversation(id, of: $1) }
        let turn = answer["conversation"] ?? .null
        try options.show(answer) {
            let fields = ["timestamp", "importance_score", "expires_at", "model_used", "session_id", "tags"]
                .compactMap { name -> String? in
                    guard let value = turn[name], ![.null, []].contains(value) else { return nil }
                    return
                        "\(name.padding(toLength: 18, withPad: " ", startingAt: 0))\(VisibleText.line(value.stringValue ?? Self.text(value)))"
                }
            return fields.joined(separator: "\n") + "\n\n" + VisibleText.block(turn["user_query"]?.stringValue ?? "") + "\n\n"
                + VisibleText.block(turn["ai_response"]?.stringValue ?? "")
        }
    }

    private static func text(_ value: JSONValue) -> String {
        (try? JSONEncoder.sorted.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// `maru memory edit`.
struct MemoryEdit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "edit", abstract: "Change a conversation.")
    @Argument(help: "Its number.") var id: Int64
    @Option(help: "What was asked or said.") var query: String?
    @Option(help: "What was answered.") var response: String?
    @Option(help: "1 to 10; how long it is kept is counted anew from when it was said.") var importance: Int?
    @Option(help: "A tag, in the place of those it has; may be given more than once.") var tag: [String] = []
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let answer = try await options.asking { client, project in
            try await client.edit(
                id, of: project,
                EditConversationRequest(
                    user_query: query, ai_response: response, importance_score: importance, tags: tag.isEmpty ? nil : tag))
        }
        try options.show(answer) { MemoryText.turn(answer["conversation"] ?? .null) }
    }
}

/// `maru memory delete`.
struct MemoryDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Forget conversations, and what was learnt from them alone.")
    @Argument(help: "Their numbers.") var ids: [Int64]
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        try await options.asking { client, project in for id in ids { try await client.delete(id, of: project) } }
        try options.show(["deleted": ids]) { "Forgot \(ids.map { "#\($0)" }.joined(separator: ", "))." }
    }
}

/// `maru memory learnt`.
struct MemoryLearnt: AsyncParsableCommand {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case facts, preferences, summaries }

    static let configuration = CommandConfiguration(
        commandName: "learnt", abstract: "What the model learnt from what was said: facts, preferences, summaries of days.")
    @Argument(help: "facts, preferences or summaries; all without it.") var kind: Kind?
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let kinds = kind.map { [$0] } ?? Kind.allCases
        let found = try await options.asking { client, project in
            var found: [String: JSONValue] = [:]
            for kind in kinds { found[kind.rawValue] = try await client.knowledge(kind.rawValue, of: project)[kind.rawValue] }
            return found
        }
        try options.show(found) {
            kinds.map { kind in
                let rows = found[kind.rawValue]?.arrayValue ?? []
                return "\(kind.rawValue) (\(rows.count))\n" + rows.map { "  " + Self.line(kind, $0) }.joined(separator: "\n")
            }.joined(separator: "\n")
        }
    }

    private static func line(_ kind: Kind, _ row: JSONValue) -> String {
        func text(_ name: String) -> String { MemoryText.short(row[name]?.stringValue ?? "", 300) }
        let source = row["source_conversation_id"]?.intValue.map { $0 == 0 ? "" : "  (from #\($0))" } ?? ""
        return switch kind {
        case .facts: "\(row["id"]?.intValue ?? 0)  [\(text("category"))] \(text("fact"))\(source)"
        case .preferences: "\(text("key")): \(text("value"))\(source)"
        case .summaries: "\(text("date_range")): \(text("summary"))"
        }
    }
}
