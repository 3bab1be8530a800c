import Foundation
import GRDB
import HTTPTypes
import ServiceKit
import TestSupport
import Testing

@testable import Memory

@Suite("A project's memory", .serialized)
struct MemoryStoreTests {
    @Test("What is saved comes back whole")
    func roundTrip() async throws {
        try await withMemory { store, clock in
            var new = NewConversation(query: "질문 \"q\" 🙂", response: "답 '; DROP TABLE conversations; --")
            (new.model, new.session, new.tokens, new.milliseconds) = ("chat-7b", "s1", 12, 345)
            (new.tags, new.context, new.importance) = (["가", "b"], ["file": "a.swift", "n": [1, 2.5, nil]], 7)
            let saved = try await store.save(new)
            let found = try await store.conversation(saved.id)
            #expect(found.query == new.query && found.response == new.response && found.tags == new.tags && found.context == new.context)
            #expect(found.model == "chat-7b" && found.session == "s1" && found.tokens == 12 && found.milliseconds == 345)
            #expect(found.importance == 7 && MemoryTime.date(found.expiresAt ?? "") == clock.now.addingTimeInterval(90 * 86_400))
        }
    }

    @Test("weakness_37_conversations_of_all_levels_go_when_their_time_has_come_and_no_other")
    func weakness_37_expiry() async throws {
        try await withMemory { store, clock in
            var ids: [Int: Int64] = [:]
            for level in Importance.range { ids[level] = try await store.keep("about level\(level) things", importance: level) }
            for (day, kept) in [
                (0.0, 2...10), (3, 3...10), (7, 4...10), (14, 5...10), (30, 7...10), (90, 8...10), (180, 9...10), (365, 10...10),
            ] {
                clock.advance(days: day + 0.001 - clock.now.timeIntervalSince1970 / 86_400 + 1_800_000_000 / 86_400)
                // Not seen from the moment on, whether or not it was removed.
                for level in Importance.range {
                    let isThere = try await store.found("level\(level)") == [try #require(ids[level])]
                    #expect(isThere == kept.contains(level), "level \(level) on day \(day)")
                }
                _ = try await store.removeExpired()
                #expect(try await store.statistics().total_conversations == kept.count)
                #expect(try await store.checkAgreement().problems == [])
            }
        }
    }

    @Test("weakness_47_a_conversation_goes_at_the_moment_of_its_end_early_or_late_in_the_day", arguments: [0, 1, 9 * 3_600, 86_399])
    func weakness_47_moment(second: Double) async throws {
        try await withMemory { store, clock in
            // A second of a day in UTC, wherever the machine stands.
            clock.advance(days: 1 + (second - clock.now.timeIntervalSince1970.truncatingRemainder(dividingBy: 86_400)) / 86_400)
            let id = try await store.keep("plums", importance: 2)
            // A millisecond before its end, and one after.
            clock.advance(days: 3 - 0.001 / 86_400)
            #expect(try await store.found("plums") == [id])
            #expect(try await store.removeExpired() == 0)
            clock.advance(days: 0.002 / 86_400)
            #expect(try await store.found("plums") == [])
            #expect(try await store.removeExpired() == 1)
        }
    }

    @Test("weakness_40_what_is_changed_or_deleted_leaves_nothing_in_the_index")
    func weakness_40_ghosts() async throws {
        try await withMemory { store, _ in
            var ids: [Int64] = []
            for number in 0..<5 { ids.append(try await store.keep("apples 사과 number\(number)")) }
            for id in ids.prefix(3) { try await store.delete(id) }
            #expect(try await store.found("apples") == ids.suffix(2).reversed())
            _ = try await store.edit(ids[3], ConversationChange(query: "pears 배나무"))
            #expect(try await store.found("apples 사과") == [ids[4]])
            #expect(try await store.found("배나무") == [ids[3]])
            #expect(try await store.checkAgreement().problems == [])
            #expect(try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM conversation_embeddings") } == 2)
        }
    }

    @Test("An index that lost its way is seen, and made anew")
    func rebuild() async throws {
        try await withMemory { store, _ in
            let id = try await store.keep("walnut trees")
            try await store.pool.write { try $0.execute(sql: "INSERT INTO conversations_fts (rowid, terms) VALUES (99, 'walnut ghost')") }
            #expect(try await store.checkAgreement().strays == 2)
            try await store.rebuildIndex()
            #expect(try await store.checkAgreement().problems == [])
            #expect(try await store.found("walnut") == [id])
            try await store.optimize()
            #expect(try await store.found("walnut") == [id])
        }
    }

    @Test("A change of the level moves the end, counted from when it happened; other changes leave it")
    func levels() async throws {
        try await withMemory { store, clock in
            let id = try await store.keep("something", importance: 5)
            let end = try await store.conversation(id).expiresAt
            clock.advance(days: 2)
            #expect(try await store.edit(id, ConversationChange(tags: ["t"])).expiresAt == end)
            let higher = try await store.edit(id, ConversationChange(importance: 7)).expiresAt
            #expect(MemoryTime.date(higher ?? "") == clock.now.addingTimeInterval(88 * 86_400))
            #expect(try await store.edit(id, ConversationChange(importance: 10)).expiresAt == nil)
            // What is past its time is not there any more, though nobody has removed it yet; nor does the store have to be told of it.
            let gone = try await store.keep("nothing", importance: 1)
            await #expect(throws: ServiceError.self) { try await store.edit(gone, ConversationChange(importance: 10)) }
            #expect(try await store.queue(10).entries.map(\.conversation_id) == [id])
            #expect(try await store.queueSize() == 1)
        }
    }

    @Test("Numbers are never given twice, so that nothing meant for one reaches another")
    func numbers() async throws {
        try await withMemory { store, _ in
            let first = try await store.keep("one")
            try await store.delete(first)
            #expect(try await store.keep("two") > first)
            await #expect(throws: ServiceError.self) { try await store.conversation(first) }
            await #expect(throws: ServiceError.self) { try await store.delete(first) }
        }
    }

    @Test(
        "weakness_45_an_id_that_could_mean_another_place_is_none",
        arguments: [
            "", ".", "..", "../../evil", "a/b", "a\\b", "a\0b", "가", "-a", ".hidden", "a b", "a\n", String(repeating: "a", count: 65),
        ])
    func weakness_45_ids(id: String) {
        let error = #expect(throws: ServiceError.self) { try ProjectID(id) }
        #expect(error?.status.code == 422 && error?.parameter == "project_id")
    }

    @Test("weakness_45_each_project_has_a_database_of_its_own_that_others_do_not_see")
    func weakness_45_isolation() async throws {
        try await withScratchFolder { folder in
            let projects = Projects(folder: folder)
            let (alice, bob, admin) = (
                Caller(id: "alice", role: .guest), Caller(id: "bob", role: .developer), Caller(id: "root", role: .admin)
            )
            let shared = try ProjectID("shared-name")
            let store = try await projects.store(shared, for: alice)
            try await store.keep("canary of alice")
            await #expect(throws: ServiceError.self) { try await projects.store(shared, for: bob) }
            await #expect(throws: ServiceError.self) { try await projects.existing(shared, for: bob) }
            #expect(try await projects.existing(shared, for: admin).found("canary").count == 1)
            let own = try await projects.store(try ProjectID("shared-name-2"), for: bob)
            #expect(try await own.found("canary") == [])
            // A process that begins anew knows whose it is.
            let again = Projects(folder: folder)
            await #expect(throws: ServiceError.self) { try await again.existing(shared, for: bob) }
            #expect(try await again.ids() == [shared, try ProjectID("shared-name-2")])
            #expect(try await again.current(shared)?.owner == "alice")
        }
    }

    @Test("Nobody can take the name of another's own project before him, and the project for all is open to all")
    func names() async throws {
        try await withScratchFolder { folder in
            let all = try ProjectID("team")
            let projects = Projects(folder: folder, common: all)
            let (alice, bob, admin) = (
                Caller(id: "alice", role: .developer), Caller(id: "bob", role: .developer), Caller(id: "root", role: .admin)
            )
            let own = try ProjectID(of: "alice")
            await #expect(throws: ServiceError.self) { try await projects.store(own, for: bob) }
            #expect(try await projects.ids().isEmpty)
            // What an administrator brings into it is alice's all the same.
            #expect(try await projects.store(own, for: admin).owner == "alice")
            try await projects.store(own, for: alice).keep("mine")
            try await projects.store(all, for: alice).keep("for everybody")
            #expect(try await projects.store(all, for: bob).found("everybody").count == 1)
            #expect(try ProjectID("user-" + String(repeating: "x", count: 64)).user?.count == 64)
            #expect(throws: ServiceError.self) { try ProjectID("user-" + String(repeating: "x", count: 65)) }
            #expect(throws: ServiceError.self) { try ProjectID("used-" + String(repeating: "x", count: 64)) }
        }
    }

    @Test("More projects than are kept open work all the same")
    func many() async throws {
        try await withScratchFolder { folder in
            let projects = Projects(folder: folder)
            let caller = Caller(id: "alice", role: .developer)
            let names = try (0..<70).map { try ProjectID("p\($0)") }
            for name in names { try await projects.store(name, for: caller).keep("of \(name)") }
            for name in names { #expect(try await projects.existing(name, for: caller).count() == 1) }
        }
    }

    @Test("However much is written, the index of words stays in few segments, and nothing of it is lost")
    func segments() async throws {
        try await withMemory { store, clock in
            func segments() async throws -> Int {
                try await store.pool.read { try Int.fetchOne($0, sql: "SELECT count(DISTINCT segid) FROM conversations_fts_idx") ?? 0 }
            }
            let words = (0..<60).map { "word\($0)" }.joined(separator: " ")
            let entries: [JSONValue] = (0..<25).map {
                ["user_query": .string("turn \($0) \(words)"), "ai_response": "yes", "importance_score": 9]
            }
            let body = try JSONDecoder().decode(MemoryImport.Body.self, from: JSONEncoder.wire.encode(["conversations": entries]))
            #expect(try await MemoryImport(body).run(in: store).imported == 25)
            #expect(try await segments() == 1, "what one transaction writes is one segment")
            for number in 0..<400 { try await store.keep("turn \(number) \(words)", importance: 3) }
            // Three levels of at most eight, and the one that is being added.
            #expect(try await segments() <= 25)
            clock.advance(days: 20)
            #expect(try await store.removeExpired() == 400)
            #expect(try await segments() <= 33)
            #expect(try await store.checkAgreement().problems == [])
            #expect(try await store.found("word7").count == 10)
            try await store.optimize()
            #expect(try await segments() == 1)
            #expect(try await store.checkAgreement().problems == [])
        }
    }

    @Test("What is saved while the index is being united does not keep it from being finished")
    func savedMeanwhile() async throws {
        try await withMemory { store, _ in
            for part in 0..<6 {
                try await store.pool.write { db in
                    try store.keeping(db) { keep in
                        for number in 0..<60 {
                            let words = (0..<60).map { "p\(part)n\(number)w\($0)" }.joined(separator: " ")
                            let turn = NewConversation(query: words, response: "yes")
                            _ = try keep(turn, turn.terms)
                        }
                    }
                }
            }
            #expect(try await store.pool.write { try WordIndex.unite(isFirst: true, $0) }, "it takes more than one step")
            for number in 0..<6 { try await store.keep("saved meanwhile \(number)") }
            while try await store.pool.write({ try WordIndex.unite(isFirst: false, $0) }) {}
            let segments = try await store.pool.read {
                try Int.fetchOne($0, sql: "SELECT count(DISTINCT segid) FROM conversations_fts_idx")
            }
            #expect(segments ?? 0 <= 2)
            #expect(try await store.found("p3n7w9").count == 1)
            #expect(try await store.checkAgreement().problems == [])
        }
    }

    @Test("Optimising gives room back and loses nothing")
    func optimising() async throws {
        try await withMemory { store, _ in
            let ids = try await (0..<600).asyncMap {
                try await store.keep("plum number\($0)", String(repeating: "many words ", count: 100))
            }
            for id in ids.dropFirst(20) { try await store.delete(id) }
            func pages() async throws -> Int { try await store.pool.read { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 } }
            let before = try await pages()
            try await store.optimize()
            #expect(try await pages() < before / 2)
            #expect(try await store.found("number7") == [ids[7]])
            #expect(try await store.checkAgreement().problems == [])
        }
    }
}
