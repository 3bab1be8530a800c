import Foundation
import GRDB
import ServiceKit
import SystemPackage
import TestSupport
import Testing

@testable import Memory

@Suite("Backups of memory", .serialized)
struct MemoryBackupTests {
    private func backup(of store: MemoryStore) -> MemoryBackup {
        MemoryBackup(folder: store.path.removingLastComponent().appending("backups"))
    }

    @Test("weakness_46_every_form_of_backup_holds_all_that_was_there_and_can_be_put_back", arguments: BackupFile.Kind.allCases)
    func weakness_46_restore(kind: BackupFile.Kind) async throws {
        try await withMemory { store, clock in
            for number in 0..<50 { try await store.keep("plum number\(number) 자두\r\n'quoted' \u{1F351}", tags: ["t", "둘"]) }
            try await store.delete(50)
            // More line ends than a statement may have parts, and a text that looks as if it had some.
            _ = try await store.edit(20, ConversationChange(response: String(repeating: "a line\r\n\n", count: 2_000)))
            _ = try await store.edit(21, ConversationChange(response: #"not\na line, 'quoted'\r"# + "\nbut this\rand this"))
            try await store.pool.write { db in
                _ = try NewFact(["fact": "The plums are ripe in July", "category": "other"]).keep(source: 1, at: clock.now, db)
                try NewPreference(["key": "Units", "value": "metric"]).keep(source: 2, at: clock.now, db)
            }
            let backup = backup(of: store)
            let before = try await store.pool.read { try MemoryContents($0) }
            let made = try await backup.make([kind], of: store)
            #expect(made.contents == before && made.files.map(\.kind) == [kind] && made.warnings == [])
            let file = try #require(made.files.first)
            #expect(try backup.files(of: store.project) == [file])
            #expect(BackupFile(name: file.name) == file)
            // Whatever happens meanwhile is undone, and its vectors go.
            try await store.delete(1)
            let later = try await store.keep("said after the backup")
            _ = try await store.takePending(100, upTo: .max, due: clock.now)
            let scratch = try MemoryBackup.Scratch(in: backup.folder)
            try await backup.unpack(file, into: scratch.path("back.db"), scratch)
            #expect(try await store.restore(from: scratch.path("back.db")) == 49)
            let after = try await store.pool.read { try MemoryContents($0) }
            #expect(after == before)
            #expect(try await store.found("자두 number7").first == 8)
            #expect(try await store.checkAgreement().problems == [])
            #expect(try await store.pendingDeletions(10) == [later])
            #expect(try await store.queue(1).size == 50)
            #expect(try await store.knowledge(.facts).first?["fact"] == "The plums are ripe in July")
            // A number that was given is never given again, even when what had it is undone.
            #expect(try await store.keep("said after that") > later)
        }
    }

    @Test("A backup that is older than a table of today is put back all the same, and the store's vectors keep their model")
    func olderThanTheTables() async throws {
        try await withMemory { store, clock in
            let kept = try await store.keep("plums in July", tags: ["fruit"])
            let backup = backup(of: store)
            let file = try #require(try await backup.make([.daily], of: store).files.first)
            let scratch = try MemoryBackup.Scratch(in: backup.folder)
            try await backup.unpack(file, into: scratch.path("back.db"), scratch)
            let old = try DatabaseQueue(path: scratch.path("back.db").string)
            try await old.write { db in
                try db.execute(
                    sql: """
                        ALTER TABLE project DROP COLUMN embedding_model;
                        DROP INDEX conversations_filter;
                        DROP TABLE conversation_tags;
                        DROP TRIGGER conversation_tags_kept;
                        DROP TRIGGER conversation_tags_changed;
                        DROP TRIGGER conversation_tags_forgotten;
                        DELETE FROM grdb_migrations WHERE identifier NOT IN ('conversations', 'a million conversations');
                        """)
            }
            try old.close()
            try await store.setEmbeddingModel("words")
            try await store.keep("said later")
            #expect(try await store.restore(from: scratch.path("back.db")) == 1)
            #expect(try await store.embeddingModel() == "words")
            #expect(try await store.found("plums", MemoryFilter(tags: ["fruit"])) == [kept])
            #expect(try await store.takePending(10, upTo: kept - 1, due: clock.now).isEmpty, "what came after a run began is for the next")
            #expect(try await store.takePending(10, upTo: .max, due: clock.now).map(\.id) == [kept])
        }
    }

    @Test("A damaged backup is told from a good one and restores nothing; one of today takes the place of an earlier one")
    func damaged() async throws {
        try await withMemory { store, _ in
            for number in 0..<200 { try await store.keep("fig number\(number)") }
            let backup = backup(of: store)
            let first = try await backup.make([.daily], of: store)
            try await store.keep("one more")
            let second = try await backup.make([.daily], of: store)
            #expect(first.files == second.files && second.contents.conversations == 201 && first.contents != second.contents)
            let path = backup.folder.appending(second.files[0].name)
            #expect(try MemoryContents(of: path) == second.contents)
            let size = try #require(try FileManager.default.attributesOfItem(atPath: path.string)[.size] as? Int)
            let handle = try FileHandle(forUpdating: URL(filePath: path.string))
            try handle.seek(toOffset: UInt64(size / 2))
            try handle.write(contentsOf: Data(repeating: 0xFF, count: 8_192))
            try handle.close()
            let scratch = try MemoryBackup.Scratch(in: backup.folder)
            await #expect(throws: ServiceError.self) { try await backup.unpack(second.files[0], into: scratch.path("x.db"), scratch) }
            #expect(try backup.files(of: store.project).count == 1)
        }
    }

    @Test("Ninety days stay, and the first of each month for a year; other forms thirty days; the newest whatever its age")
    func retention() throws {
        let now = try Date("2026-06-15T12:00:00Z", strategy: .iso8601)
        func expired(_ names: [String]) throws -> [String] {
            let files = try names.map { try #require(BackupFile(name: $0)) }
            let projects: Set<ProjectID> = [try ProjectID("p"), try ProjectID("q")]
            return BackupRetention.expired(files, keepingNewestOf: projects, at: now).map(\.name)
        }
        // Of a project that was forgotten nothing stays for ever.
        #expect(try expired(["gone_20260501_030000.sql", "gone_20260601_030000.sql"]) == ["gone_20260501_030000.sql"])
        #expect(try expired(["daily/gone_2026-03-02.db", "daily/gone_2026-04-02.db"]) == ["daily/gone_2026-03-02.db"])
        let days = ["2025-05-01", "2025-07-01", "2025-12-31", "2026-03-01", "2026-03-16", "2026-03-17", "2026-06-15"]
        #expect(
            try expired(days.map { "daily/p_\($0).db" })
                == ["daily/p_2025-05-01.db", "daily/p_2025-12-31.db", "daily/p_2026-03-16.db"])
        #expect(try expired(["daily/p_2025-05-01.db"]) == [])
        #expect(try expired(["p_20260501_030000.sql", "p_20260601_030000.sql", "q_20260501_030000.sql"]) == ["p_20260501_030000.sql"])
        #expect(try expired(["monthly/p_2025-06.tar.gz", "monthly/p_2025-07.tar.gz"]) == ["monthly/p_2025-06.tar.gz"])
    }

    @Test("Two that clear away at once get in nobody's way, and of a project whose database was lost the last backup stays")
    func prunedTwice() async throws {
        try await withScratchFolder { folder in
            let backup = MemoryBackup(folder: folder.appending("backups"))
            let projects = Projects(folder: folder)
            let store = try await projects.store(try ProjectID("lost"), for: Caller(id: "tester", role: .developer))
            try await store.keep("in July")
            let made = try await backup.make([.sql], of: store).files
            for number in 0..<200 {
                let day = Date(timeIntervalSince1970: 1_600_000_000 + Double(number))
                let old = BackupFile(.json, of: try ProjectID("gone"), at: day)
                try Data("{}".utf8).write(to: URL(filePath: backup.folder.appending(old.name).string))
            }
            try FileManager.default.removeItem(atPath: store.path.string)
            #expect(try await projects.ids().isEmpty)
            let kept = try await projects.notForgotten()
            let later = Date.now.addingTimeInterval(400 * 86_400)
            let counts = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 { group.addTask { try await offPool { try backup.prune(keepingNewestOf: kept, at: later).removed } } }
                return try await group.reduce(0, +)
            }
            #expect(counts == 200)
            #expect(try backup.files(of: store.project) == made)
        }
    }

    @Test("What a killed process was making is cleared away when nobody can be at work on it any more, and not before")
    func leftDrafts() async throws {
        try await withScratchFolder { folder in
            let backup = MemoryBackup(folder: folder)
            let (left, current) = (try MemoryBackup.Scratch(in: folder), try MemoryBackup.Scratch(in: folder))
            try Data("a copy".utf8).write(to: URL(filePath: left.path("copy.db").string))
            let yesterday = Date.now.addingTimeInterval(-25 * 3_600)
            try FileManager.default.setAttributes([.modificationDate: yesterday], ofItemAtPath: left.folder.string)
            #expect(try backup.prune(keepingNewestOf: [], at: .now).problems.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: left.folder.string))
            #expect(FileManager.default.fileExists(atPath: current.folder.string))
            withExtendedLifetime((left, current)) {}
        }
    }

    @Test(
        "What is no name of a backup is none",
        arguments: [
            "daily/p_2026-13-01.db", "daily/p_2026-02-30.db", "daily/p_26-01-01.db", "daily/../../x_2026-01-01.db", "p_20260101_250000.sql",
            "memory_backup_p.db", "daily/_2026-01-01.db", "../p_20260101_030000.sql", "daily/p_2026-01-01.db/", "",
            "monthly/p_2026-1.tar.gz",
        ])
    func names(name: String) { #expect(BackupFile(name: name) == nil) }

    @Test("Backups of projects with like names are told apart")
    func likeNames() async throws {
        try await withScratchFolder { folder in
            let backup = MemoryBackup(folder: folder.appending("backups"))
            let projects = Projects(folder: folder)
            let caller = Caller(id: "tester", role: .developer)
            for name in ["a", "a_2026-01-01", "memory_backup_a"] {
                let store = try await projects.store(try ProjectID(name), for: caller)
                try await store.keep("of \(name)")
                _ = try await backup.make(BackupFile.Kind.allCases, of: store)
            }
            for name in ["a", "a_2026-01-01", "memory_backup_a"] {
                #expect(
                    try backup.files(of: try ProjectID(name)).map(\.kind.rawValue).sorted() == [
                        "daily", "json", "monthly", "safety", "sql",
                    ])
            }
        }
    }
}
