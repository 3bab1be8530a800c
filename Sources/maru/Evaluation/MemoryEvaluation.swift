import ArgumentParser
import Foundation
import Memory
import ServiceKit
import Suite
import SuiteAPI

extension EvalCommand {
    /// `maru eval memory`.
    struct Memory: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a set of questions and see whether memory finds the right conversation.",
            discussion: """
                The set's projects are forgotten before and after. Exit code 1 below a recall of 0.9 among the first five, and when a result \
                belongs to another project.
                """)

        @Option(help: "The set of conversations and questions.") var questions = "Benchmarks/memory/conversations.json"
        @Flag(help: "Search by words alone; then there is no bar for recall.") var words = false
        @Flag(help: "Search by meaning alone; then there is no bar for recall.") var meaning = false
        @Flag(help: "Leave the set's projects where they are.") var keep = false
        @Flag(help: "Print JSON.") var json = false
        @Option(help: ArgumentHelp("Also write the result to this file.", valueName: "file")) var record: String?
        @Option(help: ArgumentHelp("Say what became better or worse since a result that was recorded.", valueName: "file"))
        var compare: String?
        @OptionGroup var given: SettingFlags

        func validate() throws {
            guard !(words && meaning) else {
                throw ValidationError("--words and --meaning exclude each other; without both, both are used.")
            }
        }

        func run() async throws {
            let memory = try await Session(given).clients.memory
            let set = try JSONDecoder().decode(MemoryQuestions.self, from: try Data(contentsOf: URL(filePath: questions)))
            let before = try compare.map {
                try JSONDecoder().decode(MemoryVerdict.self, from: try Data(contentsOf: URL(filePath: $0)))
            }
            let evaluation = MemoryEvaluation(
                memory: memory, set: set, vectors: words ? false : meaning ? true : nil, now: .now)
            try await evaluation.fill()
            let verdict: MemoryVerdict
            do {
                verdict = try await evaluation.ask()
            } catch {
                if !keep { try? await evaluation.forget() }
                throw error
            }
            if !keep { try await evaluation.forget() }
            let encoder = JSONEncoder.sorted
            encoder.outputFormatting.insert(.prettyPrinted)
            let encoded = String(decoding: try encoder.encode(verdict), as: UTF8.self)
            if let record { try (encoded + "\n").write(toFile: record, atomically: true, encoding: .utf8) }
            print(json ? encoded : verdict.text)
            if let before, !json { print("\n" + verdict.text(since: before)) }
            let isPoor = !words && !meaning && verdict.overall.recall_at_5 < 0.9
            if isPoor || verdict.overall.wrong_project_hits > 0 { throw ExitCode.failure }
        }
    }
}

/// The set: what was said, and what is asked about it.
struct MemoryQuestions: Decodable, Sendable {
    struct Conversation: Decodable, Sendable {
        let id: String
        let project: String
        let days_ago: Double
        let session: String?
        let user_query: String
        let ai_response: String
        let importance: Int?
        let tags: [String]?
    }
    struct Question: Decodable, Sendable {
        let id: String
        let project: String
        /// What is hard about it; `unknown` asks for what was never said.
        let kind: String
        let split: MemoryVerdict.Split
        let question: String
        let expected: [String]
        /// What was said of the same before, and does not hold any more.
        let older: [String]?
        let since_days_ago: Double?
        let until_days_ago: Double?
    }
    let conversations: [Conversation]
    let questions: [Question]
}

/// Fills the projects of a set and asks its questions.
struct MemoryEvaluation {
    /// Only projects of such a name are forgotten.
    private static let prefix = "eval-"
    /// Where the set's own number of a conversation is kept.
    private static let mark = "eval_id"

    let memory: MemoryClient
    let set: MemoryQuestions
    /// As searches take it: `nil` for both ways.
    let vectors: Bool?
    let now: Date

    private var projects: [String] { Set(set.conversations.map(\.project)).sorted() }

    /// Takes the conversations in, as old as they are, and waits until every vector is written.
    func fill() async throws {
        guard projects.allSatisfy({ $0.hasPrefix(Self.prefix) }) else {
            throw CommandError("The set's projects are forgotten, so their names have to begin with \(Self.prefix).")
        }
        try await forget()
        for project in projects {
            let own = set.conversations.filter { $0.project == project }
            let document: JSONValue = ["conversations": .array(own.map(entry))]
            let taken = try await memory.importing(document, into: project)
            guard taken.imported == own.count else { throw CommandError("\(project): \(taken.message), of \(own.count)") }
            guard vectors != false else { continue }
            let synced = try await memory.sync(project)
            guard try await memory.queue(project)["queue_size"] == 0 else {
                throw CommandError("\(project): \(synced.failed) vectors cannot be written; see the log of memory-api.")
            }
        }
    }

    func forget() async throws {
        for project in projects {
            do {
                try await memory.forget(project)
            } catch let error as UpstreamError where error.status == 404 {
                // There is none.
            }
        }
    }

    /// A conversation that is this old and still there has at least the lowest level that is kept so long.
    private func entry(_ conversation: MemoryQuestions.Conversation) -> JSONValue {
        let moment = now.addingTimeInterval(-conversation.days_ago * 86_400)
        let level = (conversation.importance ?? 5)...10
        let kept = level.first { level in Expiry.date(level: level, from: moment).map { $0 > now.addingTimeInterval(86_400) } ?? true }
        return [
            "timestamp": .string(moment.formatted(.iso8601)), "user_query": .string(conversation.user_query),
            "ai_response": .string(conversation.ai_response), "session_id": conversation.session.map(JSONValue.string) ?? .null,
            "tags": .array((conversation.tags ?? []).map(JSONValue.string)), "importance_score": .integer(Int64(kept ?? 10)),
            "context": [Self.mark: .string(conversation.id)],
        ]
    }

    func ask() async throws -> MemoryVerdict {
        let home = Dictionary(uniqueKeysWithValues: set.conversations.map { ($0.id, $0.project) })
        var rows: [MemoryVerdict.Row] = []
        for question in set.questions {
            var request = SearchConversationsRequest(
                query: question.question, limit: 10, use_vector_search: vectors, project_id: question.project)
            func time(_ days: Double?) -> String? { days.map { now.addingTimeInterval(-$0 * 86_400).formatted(.iso8601) } }
            (request.since, request.until) = (time(question.since_days_ago), time(question.until_days_ago))
            let answer = try await memory.search(request)
            if let problem = answer.vector_search_unavailable { throw CommandError("Meaning was not searched: \(problem)") }
            let found = answer.results.map { $0["context"]?[Self.mark]?.stringValue ?? "?" }
            var numbers: [Int64: String] = [:]
            for (result, id) in zip(answer.results, found) { if let number = result["id"]?.intValue { numbers[Int64(number)] = id } }
            var recalled: [String]?
            if vectors == nil {
                let told = try await memory.recall(RecallRequest(query: question.question, project_id: question.project))
                // What recall tells of and the search did not find among its first ten has another number.
                recalled = told.conversation_ids.map { numbers[$0] ?? "#\($0)" }
            }
            rows.append(
                MemoryVerdict.Row(
                    id: question.id, kind: question.kind, split: question.split, expected: question.expected,
                    older: question.older ?? [], found: found, wrong: found.count { home[$0] != question.project },
                    recalled: recalled))
        }
        return MemoryVerdict(rows)
    }
}
