import Foundation
import GRDB
import Testing

@testable import Memory

@Suite("Search by words", .serialized)
struct LexicalSearchTests {
    @Test("weakness_39_the_best_match_comes_first_however_important_others_are")
    func weakness_39_order() async throws {
        try await withMemory { store, _ in
            try await store.keep(
                "We talked about postgres once", String(repeating: "other things of all kinds ", count: 40), importance: 10)
            let best = try await store.keep("postgres index bloat", "Reindex postgres tables when the index is bloated.", importance: 3)
            for number in 0..<20 { try await store.keep("filler \(number)", "an index of books", importance: 9) }
            #expect(try await store.found("postgres index bloat").first == best)
        }
    }

    @Test("Of a time long past what was said then is found, however many said the same words since")
    func longPast() async throws {
        try await withMemory { store, clock in
            func keep(_ count: Int) async throws {
                var turn = NewConversation(query: "the weather", response: "rain")
                turn.importance = 10
                try await store.pool.write { [turn] db in
                    let terms = turn.terms
                    try store.keeping(db) { keep in for _ in 0..<count { _ = try keep(turn, terms) } }
                }
            }
            try await keep(2_100)
            let wanted = try await store.keep("the weather of the sea", "rain", importance: 10)
            clock.advance(days: 1)
            try await keep(4_100)
            let past = MemoryFilter(until: clock.now.addingTimeInterval(-3_600))
            #expect(try await store.few(past, atMost: 2_000) == nil)
            #expect(try await store.found("weather", past).count == 10)
            #expect(try await store.found("rain sea", past).first == wanted)
        }
    }

    @Test(
        "weakness_41_any_text_is_a_query",
        arguments: [
            "what is C++?", "C#", "\"", "'", "*", "AND OR NOT", "NEAR(a b)", "a:b", "(", ")", "^", "-", "--", "c++ -foo", "{}", "\0", "%_",
            "🙂",
            "", " ", "\u{0301}", "a\u{0301}", "ﬁ", "１２", "#️⃣", String(repeating: "word ", count: 5_000),
        ])
    func weakness_41_anything(query: String) async throws {
        try await withMemory { store, _ in
            try await store.keep("Is C++ faster than C#?", "C++ compiles to machine code.")
            _ = try await store.found(query)
        }
    }

    @Test("Of a long question no end is left out, in whatever letters it is written")
    func longQuestions() async throws {
        try await withMemory { store, _ in
            let kept = try await store.keep("전세 계약")
            let others = (1...40).map { "a\($0)" }.joined(separator: " ")
            #expect(try await store.found(others + " 전세") == [kept])
            #expect(try await store.found("전세 " + others) == [kept])
            let terms = MemoryQuery((1...1_000).map { "word\($0)" }.joined(separator: " ")).terms
            #expect(terms.count == 64 && terms.contains("word1") && terms.contains { $0.hasPrefix("word9") && $0.count == 7 })
        }
    }

    @Test(
        "Plain texts have the same words byte by byte as letter by letter",
        arguments: [
            "What is C++? And c#, a+b, ++x, x++ #1 v1.2_3", "연차는 언제, 쓸 수 있어? 데이터베이스서버를 re-start했다", "“Quoted” — don’t… stop‐gap",
            "a\u{0301}b é 연차\u{11A8} ①② ﬁx ÄÖ",
            String(repeating: "long", count: 40) + " " + String(repeating: "가나", count: 40), "\r\n\t\0 \u{7F}", "힣힣 꽯 가",
            "x\u{FFFD}y 日本語テスト", "🙂 ok🙂ok",
        ])
    func plainWords(text: String) {
        let terms = MemoryTerms(text)
        let general = text.split(separator: " ").flatMap { MemoryTerms.general(String($0)) }
        #expect(terms.length == general.count)
        #expect(terms.counts == general.reduce(into: [:]) { $0[$1, default: 0] += 1 })
    }

    @Test(
        "Times are read as they were written",
        arguments: ["1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-12-31T12:34:56.789Z", "1999-03-01T00:00:00.001Z"])
    func times(text: String) throws {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        let date = try #require(MemoryTime.date(text))
        #expect(abs(date.timeIntervalSince(try style.parse(text))) < 0.000_1)
        #expect(MemoryTime.date(text.replacing("-", with: "/")) == nil)
        #expect(MemoryTime.date("2026-13-01T00:00:00.000Z") == nil)
    }

    @Test("Signs belong to the words they stand with: C++ is not C, and each is found")
    func signs() async throws {
        try await withMemory { store, _ in
            let plus = try await store.keep("Templates of C++ are hard", "They are.")
            let sharp = try await store.keep("LINQ of C# is easy", "It is.")
            #expect(try await store.found("what is C++?") == [plus])
            #expect(try await store.found("and C#?") == [sharp])
        }
    }

    @Test("Korean is found with other particles, inside compounds, in two syllables, and however it was typed")
    func korean() async throws {
        try await withMemory { store, _ in
            let leave = try await store.keep("연차는 언제 쓸 수 있어?", "연차휴가는 입사 일 년 뒤부터입니다.")
            let server = try await store.keep("데이터베이스서버를 재시작했다", "네, 재시작했습니다.")
            for query in ["연차", "연차를", "휴가", "연차".decomposedStringWithCanonicalMapping] {
                #expect(try await store.found(query) == [leave], "\(query)")
            }
            for query in ["서버", "데이터베이스", "재시작"] { #expect(try await store.found(query) == [server], "\(query)") }
            let typed = try await store.keep("회의실 예약".decomposedStringWithCanonicalMapping, "예약했습니다.")
            #expect(try await store.found("회의실") == [typed])
        }
    }

    @Test("Filters hold together, and an empty query finds nothing")
    func filters() async throws {
        try await withMemory { store, clock in
            let first = try await store.keep("deploy notes", importance: 9, tags: ["ops", "a"])
            clock.advance(days: 1)
            let second = try await store.keep("deploy plan", importance: 6, tags: ["ops"])
            #expect(try await store.found("deploy", MemoryFilter(importance: 7...10)) == [first])
            #expect(try await store.found("deploy", MemoryFilter(tags: ["ops", "a"])) == [first])
            #expect(try await store.few(MemoryFilter(tags: ["a"]), atMost: 1) == [first])
            #expect(try await store.found("deploy", MemoryFilter(since: clock.now)) == [second])
            #expect(try await store.found("deploy", MemoryFilter(until: clock.now)) == [first])
            #expect(try await store.found("deploy", MemoryFilter(session: "none")) == [])
            #expect(try await store.found("") == [])
        }
    }

    @Test("A conversation is found by the tags that it has now, and the tags of one that is gone are gone")
    func tags() async throws {
        try await withMemory { store, _ in
            let moved = try await store.keep("deploy notes", tags: ["ops", "ops", "둘"])
            let gone = try await store.keep("deploy plan", tags: ["ops"])
            #expect(try await store.found("deploy", MemoryFilter(tags: ["ops"])).sorted() == [moved, gone])
            _ = try await store.edit(moved, ConversationChange(tags: ["둘", "web"]))
            #expect(try await store.found("deploy", MemoryFilter(tags: ["ops"])) == [gone])
            #expect(try await store.share(passing: MemoryFilter(tags: ["ops"])) == 0.5)
            #expect(try await store.found("deploy", MemoryFilter(tags: ["web", "둘"])) == [moved])
            let most = (0..<MemoryLimits.tags).map { "tag\($0)" }
            _ = try await store.edit(gone, ConversationChange(tags: most))
            #expect(try await store.found("deploy", MemoryFilter(tags: most)) == [gone])
            #expect(try await store.list(MemoryFilter(tags: ["web"]), limit: 5, offset: 0).found.map(\.id) == [moved])
            try await store.delete(gone)
            _ = try await store.edit(moved, ConversationChange(tags: []))
            #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM conversation_tags") } == 0)
        }
    }

    @Test("Each hit says which words of the query it holds, and stands there once")
    func reasons() async throws {
        try await withMemory { store, _ in
            try await store.keep("kubernetes kubernetes upgrade")
            let hits = try await LexicalSearch(store: store).run(
                MemoryQuery("kubernetes upgrade 계획"), MemoryFilter(), .everything, limit: 10)
            #expect(hits.map(\.terms) == [["kubernetes", "upgrade"]])
            #expect((0...1).contains(try #require(hits.first?.score)))
        }
    }

    @Test("Of words that stand everywhere the newest are looked at, and what holds all of them is found")
    func common() async throws {
        try await withMemory { store, _ in
            let both = try await store.keep("alpha beta together", "x", tags: ["first"])
            for number in 0..<2_200 { try await store.keep(number.isMultiple(of: 2) ? "alpha" : "beta", "x") }
            for _ in 0..<2_000 { try await store.keep("alpha", "x") }
            for _ in 0..<2_000 { try await store.keep("beta", "x") }
            #expect(try await store.found("alpha beta").first == both)
            // However many are newer.
            #expect(try await store.found("alpha", MemoryFilter(tags: ["first"])) == [both])
        }
    }

    @Test("Of many words that stand everywhere all are looked for together, and farther back the rarer ones")
    func rarer() async throws {
        try await withMemory { store, _ in
            func keep(_ texts: [String], times: Int) async throws {
                try await store.pool.write { db in
                    try store.keeping(db) { keep in
                        for number in 0..<times {
                            var turn = NewConversation(query: texts[number % texts.count], response: "x")
                            turn.importance = 5
                            _ = try keep(turn, turn.terms)
                        }
                    }
                }
            }
            let both = try await store.keep("alpha beta", "x")
            let all = try await store.keep("red green blue", "x")
            try await keep(["every alpha", "every beta"], times: 2_200)
            #expect(try await store.found("every alpha beta").first == both)
            try await keep(["red green", "red blue", "green blue", "blue"], times: 3_000)
            #expect(try await store.found("red green blue").first == all)
        }
    }
}
