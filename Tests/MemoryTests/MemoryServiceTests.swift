import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import NIOFoundationEssentialsCompat
import ServiceKit
import SuiteAPI
import TestSupport
import Testing

@testable import Memory

@Suite("Memory as a service", .serialized)
struct MemoryServiceTests {
    private static let conversations = "/v1/memory/conversations"

    @Test("weakness_47_what_is_saved_is_found_by_words_and_by_meaning_once_with_the_reasons")
    func weakness_47_hybrid() async throws {
        try await MemoryStack.run { stack in
            let saved = try await stack.call(
                .post, Self.conversations,
                ["user_query": "How do I rotate the database password?", "ai_response": "Make a new one, then restart.", "tags": ["ops"]])
            #expect(saved.status == 200 && saved.body["success"] == true && saved.body["project_id"] == "user-tester")
            try await stack.inStep(stack.service)
            let found = try await stack.call(.post, Self.conversations + "/search", ["query": "rotate the password"])
            let hit = try #require(found.body["results"]?.arrayValue?.first)
            #expect(found.body["search_type"] == "hybrid" && found.body["results"]?.arrayValue?.count == 1)
            #expect(hit["id"] == saved.body["conversation_id"] && hit["search_method"] == "hybrid")
            #expect(hit["search_metadata"]?["matched_terms"] == ["password", "rotate"])
            #expect(hit["search_metadata"]?["vector_rank"] == 1 && hit["similarity_score"]?.doubleValue != nil)
            for (flag, way) in [(true, "vector"), (false, "fts5")] {
                let answer = try await stack.call(
                    .post, Self.conversations + "/search", ["query": "rotate the password", "use_vector_search": .bool(flag)])
                #expect(answer.body["search_type"]?.stringValue == way && answer.body["total_results"] == 1)
            }
        }
    }

    @Test("weakness_42_each_conversation_has_one_point_and_what_is_deleted_has_none")
    func weakness_42_outbox() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            var ids: [Int64] = []
            for number in 0..<20 { ids.append(try await store.keep("topic number\(number)")) }
            #expect(try await store.queue(100).size == 20)
            #expect(try await stack.idle.sync.run(store, batch: 8).synced == 20)
            #expect(try await stack.idle.agreement(of: store) == [])
            for id in ids.prefix(5) { try await store.delete(id) }
            _ = try await store.edit(ids[6], ConversationChange(query: "another topic altogether"))
            #expect(try await store.queue(100).entries.map(\.action).sorted() == Array(repeating: "delete", count: 5) + ["upsert"])
            let outcome = try await stack.idle.sync.run(store, batch: 8)
            #expect(outcome.synced == 1 && outcome.deleted == 5)
            let points = try await stack.idle.clients.vectors.ids(in: VectorSync.collection(of: store.project))
            #expect(Set(points) == Set(ids.dropFirst(5).map { .number(UInt64($0)) }))
            #expect(try await stack.idle.agreement(of: store) == [])
        }
    }

    @Test("What somebody removed from the vector store is written anew, by itself where the whole collection is gone")
    func lostVectors() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            for number in 0..<20 { try await store.keep("topic number\(number)") }
            _ = try await stack.idle.sync.run(store, batch: 8)
            let (vectors, collection) = (stack.idle.clients.vectors, VectorSync.collection(of: store.project))
            try await vectors.deleteCollection(collection)
            #expect(try await stack.idle.agreement(of: store).count == 1)
            let found = try await stack.idle.search(in: store).run("topic", MemoryFilter(), by: .hybrid, limit: 5)
            #expect(found.way == .fts5 && found.hits.count == 5)
            #expect(try await stack.idle.sync.run(store, batch: 8).synced == 20)
            #expect(try await stack.idle.agreement(of: store) == [])
            try await vectors.delete([.number(1)], from: collection)
            let advice = "maru memory sync --anew --project \(store.project)"
            #expect(try await stack.idle.agreement(of: store).first?.contains(advice) == true)
            #expect(try await stack.idle.sync.run(store, batch: 8, anew: true).synced == 20)
            #expect(try await stack.idle.agreement(of: store) == [])
        }
    }

    @Test("Vectors of another embedding model are compared with nothing, and made anew")
    func otherModel() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            for number in 0..<10 { try await store.keep("topic number\(number)") }
            _ = try await stack.idle.sync.run(store, batch: 8)
            #expect(try await store.embeddingModel() == "words")
            let vectors = stack.idle.clients.vectors
            let stray = PointRecord(id: .number(99), vector: [Float](repeating: 1, count: 32), payload: [:])
            try await vectors.upsert([stray], to: VectorSync.collection(of: store.project))
            try await store.setEmbeddingModel("another")
            let found = try await stack.idle.search(in: store).run("topic", MemoryFilter(), by: .hybrid, limit: 5)
            #expect(found.way == .fts5 && found.hits.count == 5 && found.withoutVectors?.contains("another") == true)
            #expect(try await stack.idle.sync.run(store, batch: 8).synced == 10)
            #expect(try await store.embeddingModel() == "words")
            #expect(try await vectors.ids(in: VectorSync.collection(of: store.project)).count == 10)
            #expect(try await stack.idle.search(in: store).run("topic", MemoryFilter(), by: .hybrid, limit: 5).way == .hybrid)
            // Another one comes while something waits to be written, and the collection goes.
            try await store.keep("one more topic")
            try await store.setEmbeddingModel("another")
            try await vectors.deleteCollection(VectorSync.collection(of: store.project))
            #expect(try await stack.idle.sync.run(store, batch: 8).synced == 11)
            #expect(try await stack.idle.agreement(of: store) == [])
        }
    }

    @Test("weakness_38_conversations_of_all_ten_levels_go_from_rows_words_and_vectors_exactly_when_their_time_has_come")
    func weakness_38_levels() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            var levels: [Int64: Int] = [:]
            for level in 1...10 {
                for number in 0..<3 { levels[try await store.keep("plum of level\(level) number\(number)", importance: level)] = level }
            }
            _ = try await stack.idle.sync.run(store, batch: 8)
            let begun = stack.clock.now
            let days = [1: 0, 2: 3, 3: 7, 4: 14, 5: 30, 6: 30, 7: 90, 8: 180, 9: 365]
            for day in [0, 2.9, 3, 6.9, 7, 14, 29.9, 30, 90, 179.9, 180, 364.9, 365, 40_000] {
                stack.clock.advance(days: day - stack.clock.now.timeIntervalSince(begun) / 86_400)
                _ = try await store.removeExpired()
                _ = try await stack.idle.sync.run(store, batch: 8)
                let expected = Set(levels.filter { days[$0.value].map { Double($0) > day } ?? true }.keys)
                #expect(try await Set(store.list(MemoryFilter(), limit: 100, offset: 0).found.map(\.id)) == expected, "day \(day)")
                #expect(try await Set(store.found("plum", limit: 100)) == expected, "day \(day)")
                let points = try await stack.idle.clients.vectors.ids(in: VectorSync.collection(of: store.project))
                #expect(Set(points) == Set(expected.map { .number(UInt64($0)) }), "day \(day)")
            }
            #expect(try await stack.idle.agreement(of: store) == [])
        }
    }

    @Test("weakness_43_what_cannot_be_embedded_holds_up_no_other_and_is_tried_again")
    func weakness_43_refused() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            let bad = try await store.keep(WordEmbedding.refused, importance: 9)
            for number in 0..<10 { try await store.keep("topic number\(number)") }
            let outcome = try await stack.idle.sync.run(store, batch: 8)
            #expect(outcome.synced == 10 && outcome.failed == 1)
            let entry = try #require(try await store.queue(10).entries.first)
            #expect(entry.conversation_id == bad && entry.sync_status == "failed" && entry.attempts > 0)
            #expect(entry.next_attempt_at != nil && entry.last_error?.contains("no vector for that") == true)
            #expect(try await store.retryNow() == 1)
            #expect(try await stack.idle.sync.run(store, batch: 8).failed == 1)
            _ = try await store.edit(bad, ConversationChange(query: "something that can be said"))
            #expect(try await stack.idle.sync.run(store, batch: 8).synced == 1)
            #expect(try await store.queue(10).size == 0)
        }
    }

    @Test("What was put off in one project is looked at again, whatever else is put off meanwhile", .timeLimit(.minutes(5)))
    func putOffTwice() async throws {
        try await MemoryStack.run { stack in
            let caller = Caller(id: "tester", role: .developer)
            let stores = try await ["one", "two"].map { try ProjectID($0) }.asyncMap {
                try await stack.service.projects.store($0, for: caller)
            }
            for store in stores {
                try await store.keep(WordEmbedding.refused)
                stack.service.sync.wake(store)
                while try await store.queue(1).entries.first?.attempts ?? 0 < 1 { try await Task.sleep(for: .milliseconds(20)) }
            }
            // Both are due at once, and nobody says so.
            for store in stores { _ = try await store.retryNow() }
            for store in stores {
                while try await store.queue(1).entries.first?.attempts ?? 0 < 2 { try await Task.sleep(for: .milliseconds(50)) }
            }
        }
    }

    @Test("What the embedding service breaks over holds up no other, whatever its importance")
    func breaking() async throws {
        try await MemoryStack.run { stack in
            let store = try await stack.idleStore
            let bad = try await store.keep(WordEmbedding.breaking, importance: 10)
            for number in 0..<10 { try await store.keep("topic number\(number)") }
            let outcome = try await stack.idle.sync.run(store, batch: 8)
            #expect(outcome.synced == 10 && outcome.failed == 1)
            let entry = try #require(try await store.queue(10).entries.first)
            #expect(entry.conversation_id == bad && entry.last_error?.contains("too much") == true && entry.next_attempt_at != nil)
        }
    }

    @Test("weakness_44_while_vectors_are_away_words_are_searched_and_the_answer_says_so_and_the_queue_waits")
    func weakness_44_away() async throws {
        try await MemoryStack.run { stack in
            let caller = Caller(id: "tester", role: .developer)
            let store = try await stack.alone.projects.store(try ProjectID(of: "tester"), for: caller)
            let id = try await store.keep("the printer on floor three")
            let found = try await stack.alone.search(in: store).run("printer", MemoryFilter(), by: .hybrid, limit: 5)
            #expect(found.hits.map(\.conversation.id) == [id] && found.way == .fts5 && found.withoutVectors?.contains("embedding") == true)
            let byMeaning = try await stack.alone.search(in: store).run("printer", MemoryFilter(), by: .vector, limit: 5)
            #expect(byMeaning.hits.map(\.conversation.id) == [id] && byMeaning.way == .fts5 && byMeaning.withoutVectors != nil)
            await #expect(throws: UpstreamError.self) { try await stack.alone.sync.run(store, batch: 8) }
            #expect(try await store.queue(1).size == 1)
            #expect(await stack.alone.health().status == .ok)
            // They are back, and nobody does anything: what was put off comes by itself when its time has come.
            while try await store.queue(1).size > 0 { _ = try await stack.idle.sync.run(store, batch: 8) }
            #expect(try await stack.idle.agreement(of: store) == [])
        }
    }

    @Test("weakness_47_a_conversation_is_looked_at_changed_and_deleted_by_its_number_and_what_is_not_there_is_404")
    func weakness_47_one() async throws {
        try await MemoryStack.run { stack in
            let saved = try await stack.call(.post, Self.conversations, ["user_query": "q", "ai_response": "a", "importance_score": 4])
            let path = "/v1/memory/projects/user-tester/conversations/\(try #require(saved.body["conversation_id"]?.intValue))"
            #expect(try await stack.call(.get, path).body["conversation"]?["importance_score"] == 4)
            let edited = try await stack.call(.patch, path, ["ai_response": "better", "importance_score": 10])
            #expect(edited.body["conversation"]?["ai_response"] == "better" && edited.body["conversation"]?["expires_at"] == .null)
            #expect(try await stack.call(.patch, path, [:]).status == 422)
            #expect(try await stack.call(.delete, path).status == 204)
            #expect(try await stack.call(.get, path).status == 404)
            #expect(try await stack.call(.patch, path, ["tags": ["late"]]).status == 404)
            #expect(try await stack.call(.delete, path).status == 404)
            #expect(try await stack.call(.get, "/v1/memory/projects/other/conversations").status == 404)
        }
    }

    @Test("Lists, statistics, queue and upkeep answer in their shapes")
    func shapes() async throws {
        try await MemoryStack.run { stack in
            for level in [1, 5, 9] {
                _ = try await stack.call(
                    .post, Self.conversations, ["user_query": "q", "ai_response": "a", "importance_score": .integer(Int64(level))])
            }
            let project = "/v1/memory/projects/user-tester"
            #expect(try await stack.call(.get, "/v1/memory/projects").body["total_projects"] == 1)
            let statistics = try await stack.call(.get, project + "/stats").body["stats"]
            // What is of no importance is past its time at once.
            #expect(statistics?["total_conversations"] == 2 && statistics?["avg_importance"] == 7)
            #expect(statistics?["importance_distribution"]?["9"] == 1)
            let saved = try await stack.call(
                .post, Self.conversations,
                ["user_query": "q", "ai_response": "a", "importance_score": 9, "project_path": "/src/x", "context": ["k": 1]])
            let path = "\(project)/conversations/\(try #require(saved.body["conversation_id"]?.intValue))"
            #expect(try await stack.call(.get, path).body["conversation"]?["context"] == ["k": 1, "project_path": "/src/x"])
            #expect(try await stack.call(.delete, path).status == 204)
            #expect(try await stack.call(.post, project + "/cleanup").body["deleted_conversations"] == 1)
            #expect(try await stack.call(.get, project + "/conversations?limit=1").body["total"] == 2)
            #expect(try await stack.call(.post, Self.conversations + "/search", [:]).body["search_type"] == "importance")
            #expect(try await stack.call(.post, project + "/sync", ["sync_type": "qdrant"]).body["sync_stats"]?["failed"] == 0)
            #expect(try await stack.call(.post, project + "/sync/retry").body["retry_stats"]?["still_failed"] == 0)
            #expect(try await stack.call(.post, project + "/sync", ["sync_type": "other"]).status == 400)
            #expect(try await stack.call(.get, project + "/sync/queue").body["queue_size"] == 0)
            for path in ["/optimize", "/fts/rebuild"] { #expect(try await stack.call(.post, project + path).status == 200) }
            #expect(try await stack.call(.get, project + "/check").body["agrees"] == true)
            #expect(try await stack.call(.post, "/v1/memory/vector/recovery").body["vector_enabled"] == true)
            #expect(try await stack.call(.get, "/v1/memory/health").body["vector_enabled"] == true)
        }
    }

    @Test("Who is at work in a project while it is forgotten is told that it is gone")
    func forgottenMeanwhile() async throws {
        try await MemoryStack.run { stack in
            let store = try await MemoryStack.store(of: stack.service)
            try await store.keep("a plum")
            // As a request finds it that took the store before.
            try store.close()
            let project = "/v1/memory/projects/\(store.project)"
            for (method, path) in [(HTTPRequest.Method.get, "/conversations?limit=1"), (.post, "/cleanup"), (.post, "/optimize")] {
                let answer = try await stack.call(method, project + path)
                #expect(answer.status == 404, "\(path): \(answer)")
            }
            let listed = try await stack.call(.get, "/v1/memory/projects")
            #expect(listed.body["total_projects"] == 0)
            // Who forgets it too, and was slower.
            try await stack.service.projects.forget(store)
            let slower = await #expect(throws: ServiceError.self) { try await stack.service.projects.forget(store) }
            #expect(slower?.status == .notFound)
        }
    }

    @Test(
        "Mistakes name the field and write nothing",
        arguments: [
            (#"{"user_query":"q"}"#, 422, "ai_response"), (#"{"user_query":"","ai_response":"a"}"#, 422, "user_query"),
            (#"{"user_query":"q","ai_response":"a","project_id":"../../evil"}"#, 422, "project_id"),
            (#"{"user_query":"q","ai_response":"a","tags":["a\nb"]}"#, 422, "tags"),
            (#"{"user_query":"q","ai_response":"a","importance_score":11}"#, 422, "importance_score"),
            (#"{"user_query":"q","ai_response":"a","importence_score":1}"#, 422, "importence_score"),
            (#"{"user_query":"q","ai_response":"a","context":[]}"#, 422, "context"), ("[]", 400, ""), ("{", 400, ""),
        ])
    func mistakes(body: String, status: Int, field: String) async throws {
        try await MemoryStack.run { stack in
            let answer = try await stack.client.execute(uri: Self.conversations, method: .post, body: ByteBuffer(string: body))
            #expect(Int(answer.status.code) == status, "\(body): \(String(buffer: answer.body))")
            let told = try JSONDecoder().decode(JSONValue.self, from: Data(buffer: answer.body))
            if !field.isEmpty { #expect(told["parameter"]?.stringValue == field) }
            #expect(try await stack.service.projects.ids().isEmpty)
        }
    }

    @Test("Requests of two users, mixed, never show one what is the other's")
    func canaries() async throws {
        try await withScratchFolder { folder in
            let projects = Projects(folder: folder)
            let callers = ["alice", "bob"].map { Caller(id: $0, role: .guest) }
            for number in 0..<200 {
                for caller in callers {
                    let store = try await projects.store(try ProjectID("p\(number % 5)-\(caller.id)"), for: caller)
                    try await store.keep("canary of \(caller.id) number\(number)", "x")
                    let found = try await LexicalSearch(store: store).run(
                        MemoryQuery("canary alice bob"), MemoryFilter(), .everything, limit: 3)
                    #expect(found.allSatisfy { $0.conversation.query.contains(caller.id) })
                }
            }
            for caller in callers {
                let other = try #require(callers.first { $0.id != caller.id })
                await #expect(throws: ServiceError.self) { try await projects.existing(try ProjectID("p0-\(other.id)"), for: caller) }
            }
        }
    }
}
