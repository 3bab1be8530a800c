import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

extension EvalCommand {
    /// `maru eval retrieval`.
    struct Retrieval: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a set of questions and see whether the right document is found.",
            discussion: "Run it from the folder that holds the set's documents. Exit code 1 below a recall of 0.95 among the first four.")

        @Option(help: "The set of questions.") var questions = "Benchmarks/retrieval/questions.json"
        @Flag(help: "Print JSON.") var json = false
        @Option(help: ArgumentHelp("Also write the result to this file.", valueName: "file")) var record: String?
        @OptionGroup var given: SettingFlags

        private struct QuestionSet: Decodable {
            struct Question: Decodable {
                let id: String
                let question: String
                let file: String
                /// What is hard about the question; `cross` asks in one language for what stands in another.
                let kind: String
                let split: Split
            }
            struct Unanswerable: Decodable {
                let id: String
                let question: String
                let kind: Miss
                let split: Split
            }
            let collection: String
            let documents: String
            let questions: [Question]
            let unanswerable: [Unanswerable]
        }

        /// Bounds and weights were found on the one half, and are judged on the other.
        private enum Split: String, Codable { case tune, check }

        /// How far an unanswerable question is from the documents: `off` asks about the world at large, `near` about what they touch.
        private enum Miss: String, Decodable { case off, near }

        private struct Row: Encodable {
            let id: String
            let kind: String
            let split: Split
            let rank: Int?
            let answerable: Bool
            let evidence: Double
        }

        private struct Summary: Encodable {
            let answerable: Int
            let unanswerable: Int
            /// Of the questions in their document's language.
            let recall_at_1: Double
            let recall_at_4: Double
            let recall_at_4_across_languages: Double
            let mrr: Double
            let answerable_accepted: Double
            let off_topic_refused: Double
            let near_misses_refused: Double

            init(_ rows: [Row]) {
                let none = rows.filter { Miss(rawValue: $0.kind) != nil }
                let some = rows.filter { Miss(rawValue: $0.kind) == nil }
                let within = some.filter { $0.kind != "cross" }
                func share(_ rows: [Row], _ holds: (Row) -> Bool) -> Double {
                    Double(rows.filter(holds).count) / Double(max(1, rows.count))
                }
                answerable = some.count
                unanswerable = none.count
                recall_at_1 = share(within) { $0.rank == 1 }
                recall_at_4 = share(within) { ($0.rank ?? .max) <= 4 }
                recall_at_4_across_languages = share(some.filter { $0.kind == "cross" }) { ($0.rank ?? .max) <= 4 }
                mrr = some.reduce(0) { $0 + ($1.rank.map { 1 / Double($0) } ?? 0) } / Double(max(1, some.count))
                answerable_accepted = share(some, \.answerable)
                off_topic_refused = share(none.filter { $0.kind == Miss.off.rawValue }) { !$0.answerable }
                near_misses_refused = share(none.filter { $0.kind == Miss.near.rawValue }) { !$0.answerable }
            }
        }

        /// The whole set's summary, its two halves, and every question.
        private struct Verdict: Encodable {
            let overall: Summary
            let tune: Summary
            let check: Summary
            let questions: [Row]

            private enum CodingKeys: CodingKey { case tune, check, questions }

            func encode(to encoder: any Encoder) throws {
                try overall.encode(to: encoder)
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(tune, forKey: .tune)
                try container.encode(check, forKey: .check)
                try container.encode(questions, forKey: .questions)
            }
        }

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
                rows.append(
                    Row(
                        id: question.id, kind: question.kind, split: question.split, rank: rank, answerable: found.answerable,
                        evidence: found.evidence))
            }
            for question in set.unanswerable {
                let found = try await client.search(QueryRequest(query: question.question, collection: set.collection, topk: 4))
                rows.append(
                    Row(
                        id: question.id, kind: question.kind.rawValue, split: question.split, rank: nil, answerable: found.answerable,
                        evidence: found.evidence))
            }
            let verdict = Verdict(
                overall: Summary(rows), tune: Summary(rows.filter { $0.split == .tune }),
                check: Summary(rows.filter { $0.split == .check }), questions: rows)
            let encoder = JSONEncoder.sorted
            encoder.outputFormatting.insert(.prettyPrinted)
            let encoded = String(decoding: try encoder.encode(verdict), as: UTF8.self)
            if let record { try (encoded + "\n").write(toFile: record, atomically: true, encoding: .utf8) }
            if json {
                print(encoded)
            } else {
                print(
                    Table(["QUESTION", "KIND", "SPLIT", "RANK", "ANSWERABLE", "EVIDENCE"]).rows(
                        verdict.questions.map { row in
                            [
                                row.id, row.kind, row.split.rawValue, row.rank.map(String.init) ?? "-", row.answerable ? "yes" : "no",
                                row.evidence.formatted(.number.precision(.fractionLength(2))),
                            ]
                        }))
                let parts = [("tune", verdict.tune), ("check", verdict.check), ("all", verdict.overall)]
                print(
                    "\n"
                        + Table(["", "RECALL@1", "RECALL@4", "ACROSS LANGUAGES", "MRR", "ACCEPTED", "OFF-TOPIC REFUSED", "NEAR REFUSED"])
                        .rows(
                            parts.map { name, part in
                                [
                                    name, Self.percent(part.recall_at_1), Self.percent(part.recall_at_4),
                                    Self.percent(part.recall_at_4_across_languages),
                                    part.mrr.formatted(.number.precision(.fractionLength(3))), Self.percent(part.answerable_accepted),
                                    Self.percent(part.off_topic_refused), Self.percent(part.near_misses_refused),
                                ]
                            }))
            }
            if verdict.overall.recall_at_4 < 0.95 { throw ExitCode.failure }
        }

        private static func percent(_ share: Double) -> String { share.formatted(.percent.precision(.fractionLength(0))) }
    }
}
