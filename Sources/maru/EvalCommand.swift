import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru eval`.
struct EvalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Measure how good the stack's work is.", subcommands: [Retrieval.self])

    struct Retrieval: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a set of questions and see whether the right document is found.",
            discussion: "Run it from the folder that holds the set's documents. Exit code 1 below a recall of 0.95 among the first four.")

        @Option(help: "The set of questions.") var questions = "Benchmarks/retrieval/questions.json"
        @Flag(help: "Print JSON.") var json = false
        @Option(help: ArgumentHelp("Also write the result to this file.", valueName: "file")) var record: String?

        private struct QuestionSet: Decodable {
            struct Question: Decodable {
                let id: String
                let question: String
                let file: String
                /// What is hard about the question; `cross` asks in one language for what stands in another.
                let kind: String
            }
            struct Unanswerable: Decodable {
                let id: String
                let question: String
            }
            let collection: String
            let documents: String
            let questions: [Question]
            let unanswerable: [Unanswerable]
        }

        private struct Row: Encodable {
            let id: String
            let kind: String
            let rank: Int?
            let answerable: Bool
            let evidence: Double
        }

        private struct Verdict: Encodable {
            /// Of the questions in their document's language.
            let recall_at_4: Double
            let recall_at_4_across_languages: Double
            let mrr: Double
            let answerable_accepted: Double
            let unanswerable_refused: Double
            let questions: [Row]
        }
        @OptionGroup var given: SettingFlags

        func run() async throws {
            let client = try await Session(given).clients.retrieval
            let set = try JSONDecoder().decode(QuestionSet.self, from: try Data(contentsOf: URL(filePath: questions)))
            let documents = URL(filePath: set.documents, relativeTo: .currentDirectory()).standardizedFileURL.path(percentEncoded: false)
            _ = try await client.index(IndexRequest(collection: set.collection, path: documents))
            var rows: [Row] = []
            for question in set.questions {
                let found = try await client.search(QueryRequest(query: question.question, collection: set.collection, topk: 10))
                let files = found.sources.map(\.file)
                let rank = files.firstIndex(of: question.file.precomposedStringWithCanonicalMapping).map { Set(files[...$0]).count }
                rows.append(Row(id: question.id, kind: question.kind, rank: rank, answerable: found.answerable, evidence: found.evidence))
            }
            var none: [Row] = []
            for question in set.unanswerable {
                let found = try await client.search(QueryRequest(query: question.question, collection: set.collection, topk: 4))
                none.append(Row(id: question.id, kind: "none", rank: nil, answerable: found.answerable, evidence: found.evidence))
            }
            let count = Double(max(1, rows.count))
            let verdict = Verdict(
                recall_at_4: Self.recall(rows.filter { $0.kind != "cross" }),
                recall_at_4_across_languages: Self.recall(rows.filter { $0.kind == "cross" }),
                mrr: rows.reduce(0) { $0 + ($1.rank.map { 1 / Double($0) } ?? 0) } / count,
                answerable_accepted: Double(rows.filter(\.answerable).count) / count,
                unanswerable_refused: Double(none.filter { !$0.answerable }.count) / Double(max(1, none.count)), questions: rows + none)
            let encoder = JSONEncoder.sorted
            encoder.outputFormatting.insert(.prettyPrinted)
            let encoded = String(decoding: try encoder.encode(verdict), as: UTF8.self)
            if let record { try (encoded + "\n").write(toFile: record, atomically: true, encoding: .utf8) }
            if json {
                print(encoded)
            } else {
                print(
                    Table(["QUESTION", "RANK", "ANSWERABLE", "EVIDENCE"]).rows(
                        verdict.questions.map { row in
                            [
                                row.id, row.rank.map(String.init) ?? "-", row.answerable ? "yes" : "no",
                                row.evidence.formatted(.number.precision(.fractionLength(2))),
                            ]
                        }))
                print(
                    "\nrecall@4 \(Self.percent(verdict.recall_at_4))  across languages \(Self.percent(verdict.recall_at_4_across_languages))  MRR \(verdict.mrr.formatted(.number.precision(.fractionLength(3))))  "
                        + "accepted \(Self.percent(verdict.answerable_accepted))  refused \(Self.percent(verdict.unanswerable_refused))")
            }
            if verdict.recall_at_4 < 0.95 { throw ExitCode.failure }
        }

        private static func recall(_ rows: [Row]) -> Double {
            Double(rows.filter { ($0.rank ?? .max) <= 4 }.count) / Double(max(1, rows.count))
        }

        private static func percent(_ share: Double) -> String { share.formatted(.percent.precision(.fractionLength(0))) }
    }
}
