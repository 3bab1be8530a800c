import Foundation
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Retrieval

@Suite("Answers that are given again, and what is counted of searches")
struct AnswerCacheTests {
    private final class ManualClock: Sendable {
        private let offset = Mutex(0.0)
        var now: Date { Date(timeIntervalSince1970: 1_800_000_000 + offset.withLock { $0 }) }
        func advance(seconds: Double) { offset.withLock { $0 += seconds } }
    }

    private func response(_ answer: String, answered: Bool = true, tokens: Int = 10) -> QueryResponse {
        QueryResponse(
            answer: answer, answered: answered, sources: [], context: [], usage: Usage(prompt: tokens), cached: false, response_time_ms: 20)
    }

    private func key(_ question: String, version: Int = 1, limit: Int = 4, _ settings: Settings) -> AnswerCache.Key {
        AnswerCache.Key(question, collection: "c", version: version, limit: limit, settings: settings)
    }

    @Test("weakness_31_an_answer_is_given_again_only_while_everything_it_rests_on_is_the_same")
    func weakness_31_key() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let cache = AnswerCache(database: try AnalyticsDatabase(path: folder.appending("a.db")), lifetime: .seconds(3_600))
            try await cache.keep(response("42"), for: key("연차는 며칠?", settings))
            #expect(try await cache.answer(for: key("연차는 며칠?", settings))?.answer == "42")
            #expect(try await cache.answer(for: key(" 연차는 며칠? ".decomposedStringWithCanonicalMapping, settings))?.answer == "42")
            #expect(try await cache.answer(for: key("연차는 며칠?", version: 2, settings)) == nil)
            #expect(try await cache.answer(for: key("연차는 며칠?", limit: 5, settings)) == nil)
            let other = try await Settings.test(["CHAT_MODEL": "qwen2.5-coder-1.5b"], folder: folder)
            #expect(try await cache.answer(for: key("연차는 며칠?", other)) == nil)
        }
    }

    @Test("weakness_31_an_answer_ends_when_its_time_is_over_in_any_time_zone_and_no_answer_is_not_kept")
    func weakness_31_expiry() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let clock = ManualClock()
            let cache = AnswerCache(
                database: try AnalyticsDatabase(path: folder.appending("a.db")), lifetime: .seconds(3_600), now: { clock.now })
            try await cache.keep(response("old"), for: key("a", settings))
            try await cache.keep(response("none", answered: false), for: key("b", settings))
            #expect(try await cache.answer(for: key("b", settings)) == nil)
            clock.advance(seconds: 3_599)
            #expect(try await cache.answer(for: key("a", settings)) != nil)
            clock.advance(seconds: 2)
            #expect(try await cache.answer(for: key("a", settings)) == nil)
            let before = try await cache.statistics()
            #expect(before.total_entries == 1 && before.expired_entries == 1 && before.active_entries == 0)
            #expect(try await cache.purge() == 1)
            #expect(try await cache.statistics().total_entries == 0)
        }
    }

    @Test("A change of any document gives its collection a new version; removing it does not bring an old one back")
    func versions() async throws {
        try await withScratchFolder { folder in
            let database = try IndexDatabase(path: folder.appending("rag.db"))
            #expect(try await database.version(of: "c") == 0)
            try await database.replace("c", path: "/a", file: "a", hash: "1", passages: [])
            let first = try await database.version(of: "c")
            try await database.remove("c", path: "/a")
            let second = try await database.version(of: "c")
            #expect(try await !database.removeCollection("c"))
            try await database.replace("c", path: "/a", file: "a", hash: "2", passages: [])
            #expect(try await database.removeCollection("c"))
            let third = try await database.version(of: "c")
            #expect(0 < first && first < second && second < third)
            #expect(try await database.version(of: "other") == 0)
        }
    }

    @Test("weakness_32_an_empty_log_is_summed_up_in_zeros")
    func weakness_32_emptyAnalytics() async throws {
        try await withScratchFolder { folder in
            let log = SearchLog(
                database: try AnalyticsDatabase(path: folder.appending("a.db")), keepsWords: false, retention: .seconds(86_400))
            let summary = try await log.summary(hours: 24)
            #expect(summary.total_searches == 0 && summary.avg_response_time == 0 && summary.top_queries.isEmpty)
        }
    }

    @Test("weakness_73_words_of_questions_are_kept_only_where_that_is_asked_for; old counts go")
    func weakness_73_words() async throws {
        try await withScratchFolder { folder in
            let clock = ManualClock()
            let path = folder.appending("a.db")
            let quiet = SearchLog(
                database: try AnalyticsDatabase(path: path), keepsWords: false, retention: .seconds(86_400), now: { clock.now })
            try await quiet.record("비밀 질문", in: "c", response("x"), llmMilliseconds: 5)
            try await quiet.record("비밀 질문", in: "c", response("x"), llmMilliseconds: nil)
            let summary = try await quiet.summary(hours: 24)
            #expect(summary.total_searches == 2 && summary.total_tokens == 20 && summary.avg_response_time == 20)
            #expect(summary.top_queries.first?.count == 2)
            #expect(summary.top_queries.first?.query.contains("비밀") == false)
            for file in try FileManager.default.contentsOfDirectory(atPath: folder.string) {
                let bytes = try Data(contentsOf: URL(filePath: folder.appending(file).string))
                #expect(bytes.range(of: Data("비밀".utf8)) == nil, "\(file)")
            }
            clock.advance(seconds: 2 * 86_400)
            let open = SearchLog(
                database: quiet.database, keepsWords: true, retention: .seconds(86_400), now: { clock.now })
            try await open.record("열린 질문", in: "c", response("x"), llmMilliseconds: 5)
            let later = try await open.summary(hours: 24 * 30)
            #expect(later.total_searches == 1)
            #expect(later.top_queries.map(\.query) == ["열린 질문"])
        }
    }
}
