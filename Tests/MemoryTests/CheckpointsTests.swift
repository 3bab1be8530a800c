import Foundation
import GRDB
import ServiceKit
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Memory

@Suite("The log of a memory's database", .serialized)
struct CheckpointsTests {
    /// Bytes of a file of the database.
    private func size(_ store: MemoryStore, _ suffix: String) throws -> Int {
        try (FileManager.default.attributesOfItem(atPath: store.path.string + suffix)[.size] as? Int) ?? 0
    }

    private func write(_ count: Int, to store: MemoryStore, level: Int? = nil) async throws {
        for number in 0..<count {
            _ = try await store.keep(
                "turn \(number) about \((0..<40).map { "word\(number % 7)x\($0)" }.joined(separator: " "))", importance: level)
            if number.isMultiple(of: 50) { try await store.checkpoints.finished() }
        }
    }

    @Test("Gets into the file and begins anew, though somebody writes all the time, if need be after patience", arguments: [true, false])
    func staysShort(isPatient: Bool) async throws {
        try await withScratchFolder { folder in
            var configuration = Configuration()
            configuration.prepareDatabase { db in
                if !db.configuration.readonly { try db.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
            }
            let path = folder.appending("memory.db").string
            let pool = try DatabasePool(path: path, configuration: configuration)
            let checkpoints = try Checkpoints.begin(
                for: pool,
                bounds: isPatient
                    ? .init(long: 2_000, patience: .seconds(10), longest: .max)
                    : .init(long: 2_000, patience: .nanoseconds(0), longest: 4_000))
            try await pool.write { try $0.execute(sql: "CREATE TABLE written (bytes BLOB)") }
            try await withThrowingTaskGroup { group in
                for _ in 0..<2 {
                    group.addTask {
                        for number in 0..<600 {
                            try await pool.write { try $0.execute(sql: "INSERT INTO written VALUES (randomblob(100000))") }
                            // However slow the disk is.
                            if number % 50 == 49 { try await checkpoints.finished() }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await checkpoints.finished()
            // What was written while it was at work for the last time.
            try await pool.write { try $0.execute(sql: "INSERT INTO written VALUES (randomblob(100000))") }
            try await checkpoints.finished()
            #expect(try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM written") } == 1_201)
            func size(_ path: String) throws -> Int { try (FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0 }
            #expect(try size(path) > 100_000_000)
            #expect(try size(path + "-wal") < 100_000_000)
            try checkpoints.close()
            try pool.close()
        }
    }

    @Test("Who writes waits until the writer is let go, or until patience is at its end; who reads does not wait")
    func held() async throws {
        try await withMemory { store, _ in
            let pool = store.pool
            let order = Mutex<[String]>([])
            let writer = try await offPool { HeldWriter(of: pool, atMost: .seconds(10)) }
            async let write: Void = pool.writeWithoutTransaction { _ in order.withLock { $0.append("written") } }
            #expect(try await store.count() == 0)
            try await Task.sleep(for: .milliseconds(50))
            order.withLock { $0.append("let go") }
            writer.release()
            try await write
            #expect(order.withLock { $0 } == ["let go", "written"])
            let forgotten = try await offPool { HeldWriter(of: pool, atMost: .milliseconds(1)) }
            try await store.keep("while nobody lets go")
            #expect(try await store.count() == 1)
            forgotten.release()
        }
    }

    @Test("Gets into the file while somebody else holds the writer")
    func beside() async throws {
        try await withMemory { store, _ in
            let before = try size(store, "")
            // In one piece: it is begun after a transaction.
            try await store.pool.writeWithoutTransaction { db in
                try db.execute(sql: "CREATE TABLE written AS SELECT randomblob(8000000) AS bytes")
                let end = ContinuousClock.now + .seconds(60)
                while try size(store, "") < before + 8_000_000, .now < end { usleep(1_000) }
            }
            #expect(try size(store, "") >= before + 8_000_000)
        }
    }

    @Test("Gets into the file once nobody reads any more what was before it, and nothing is lost")
    func readersAreWaitedFor() async throws {
        try await withMemory { store, _ in
            _ = try await store.keep("the first")
            let snapshot = try store.pool.makeSnapshot()
            #expect(try await snapshot.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM conversations") } == 1)
            try await write(150, to: store)
            try await store.checkpoints.finished()
            let before = try size(store, "")
            #expect(try size(store, "-wal") > 4 * before)
            #expect(try await snapshot.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM conversations") } == 1)
            try snapshot.close()
            try await store.keep("the last")
            try await store.checkpoints.finished()
            #expect(try size(store, "") > before)
            #expect(try await store.count() == 152)
            #expect(try await store.checkAgreement().problems == [])
        }
    }

    @Test("What a process that was killed left there gets into the file in the next one's life")
    func leftBehind() async throws {
        try await withMemory { store, _ in
            let snapshot = try store.pool.makeSnapshot()
            _ = try await snapshot.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM conversations") }
            try await write(150, to: store)
            try await withScratchFolder { folder in
                let path = folder.appending("memory.db")
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: store.path.string + suffix, toPath: path.string + suffix)
                }
                let next = try MemoryStore(store.project, for: "tester", path: path)
                try await next.keep("the first of another life")
                try await next.checkpoints.finished()
                #expect(try size(next, "") > size(store, ""))
                #expect(try await next.count() == 151)
            }
            try snapshot.close()
        }
    }

    @Test("Is no longer written to by what was closed")
    func closed() async throws {
        try await withMemory { store, _ in
            for _ in 0..<150 { try await store.keep("turn after turn") }
            async let late: Void = { for _ in 0..<20 { _ = try? await store.keep("while it is closed") } }()
            try store.close()
            await late
            await #expect(throws: (any Error).self) { try await store.keep("too late") }
            #expect(!FileManager.default.fileExists(atPath: store.path.string + "-wal"))
        }
    }

    @Test("Conversations are counted piece by piece as they are all at once")
    func counting() async throws {
        try await withMemory { store, _ in
            #expect(try await store.count() == 0)
            var ids: [Int64] = []
            for number in 0..<10 { ids.append(try await store.keep("number \(number)")) }
            for id in [ids[0], ids[4], ids[9]] { try await store.delete(id) }
            for size in [1, 2, 3, 7, 8] { #expect(try await store.count(atOnce: size) == 7) }
        }
    }

    @Test("What waits for the vector store is counted without a look at every conversation")
    func waiting() async throws {
        try await withMemory { store, _ in
            try await write(20, to: store)
            try await store.pool.write { db in
                try db.execute(
                    sql: """
                        UPDATE conversation_embeddings SET sync_status = 'synced' WHERE conversation_id > 3;
                        -- As after an import of a million that was put in order before it had vectors.
                        ANALYZE; DELETE FROM sqlite_stat1;
                        INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
                            ('conversation_embeddings', 'conversation_embeddings_waiting', '1260070 1'),
                            ('conversation_embeddings', 'sqlite_autoindex_conversation_embeddings_1', '1260070 1'),
                            ('conversations', 'conversations_filter', '1012536 1 1 1 1 1 1'),
                            ('conversations', 'conversations_timestamp', '1078800 1');
                        """)
            }
            try await store.pool.writeWithoutTransaction { db in
                try db.execute(sql: "ANALYZE sqlite_schema")
                let told = Told()
                db.trace { event in
                    if case .statement(let statement) = event { told.add(statement.sql, statement.expandedSQL) }
                }
                #expect(try store.queueSize(db) == 3)
                db.trace(options: [])
                #expect(told.statements.count == 3)
                for statement in told.statements {
                    let plan = try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + statement).map { $0["detail"] as String? ?? "" }
                    #expect(
                        plan.allSatisfy {
                            !$0.contains("BLOOM") && (!$0.hasPrefix("SCAN") || $0.contains("INDEX") || $0.contains("deletions"))
                        })
                }
            }
        }
    }

    /// Statements that were run.
    private final class Told {
        private(set) var statements: [String] = []
        func add(_ sql: String, _ expanded: String) { if sql.hasPrefix("SELECT") { statements.append(expanded) } }
    }
}
