import Foundation
import GRDB
import ServiceKit
import SystemPackage
import TestSupport
import Testing

@testable import Memory

@Suite("Backups of memory", .serialized)
struct MemoryBackupTests {
    @Test("weakness_46_a_backup_is_a_database_with_all_that_was_there_and_can_be_searched")
    func weakness_46_copy() async throws {
        try await withMemory { store, _ in
            for number in 0..<50 { try await store.keep("plum number\(number) 자두", tags: ["t"]) }
            let folder = store.path.removingLastComponent().appending("backups")
            let made = try MemoryBackup(folder: folder).make(of: store)
            #expect(made.conversations == 50)
            try await store.delete(1)
            // Copied into a scratch place, it opens as any other memory.
            let scratch = folder.appending("scratch.db")
            try FileManager.default.copyItem(atPath: made.path, toPath: scratch.string)
            let restored = try MemoryStore(store.project, for: "tester", path: scratch, now: store.now)
            #expect(try await restored.found("자두 number7").first == 8)
            #expect(try await restored.statistics().total_conversations == 50)
            #expect(try await restored.checkAgreement().problems == [])
        }
    }

    @Test("A damaged backup is told from a good one, and one of today takes the place of an earlier one")
    func damaged() async throws {
        try await withMemory { store, _ in
            for number in 0..<200 { try await store.keep("fig number\(number)") }
            let backup = MemoryBackup(folder: store.path.removingLastComponent().appending("backups"))
            let first = try backup.make(of: store)
            try await store.keep("one more")
            let second = try backup.make(of: store)
            #expect(first.path == second.path && second.conversations == 201 && first.digest != second.digest)
            let contents = try MemoryBackup.contents(of: FilePath(second.path))
            #expect(contents.count == 201 && contents.digest == second.digest)
            let handle = try FileHandle(forUpdating: URL(filePath: second.path))
            try handle.seek(toOffset: UInt64(second.bytes / 2))
            try handle.write(contentsOf: Data(repeating: 0xFF, count: 8_192))
            try handle.close()
            #expect(throws: (any Error).self) { try MemoryBackup.contents(of: FilePath(second.path)) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: FilePath(second.path).removingLastComponent().string).count == 1)
        }
    }

    @Test("Ninety days stay, and the first of each month for a year; the newest whatever its age")
    func retention() throws {
        let today = try #require(BackupRetention.Day("2026-06-15"))
        let days = try ["2025-05-01", "2025-07-01", "2025-12-31", "2026-03-01", "2026-03-16", "2026-03-17", "2026-06-15"].map {
            try #require(BackupRetention.Day($0))
        }
        #expect(BackupRetention.expired(days, today: today).map(\.text) == ["2025-05-01", "2025-12-31", "2026-03-16"])
        #expect(BackupRetention.expired([days[0]], today: today) == [])
        for text in ["2026-13-01", "2026-02-30", "26-01-01", "2026-1-1", "../../etc/x"] { #expect(BackupRetention.Day(text) == nil) }
    }

    @Test("Backups of projects with like names are told apart")
    func names() async throws {
        try await withScratchFolder { folder in
            let backup = MemoryBackup(folder: folder.appending("backups"))
            let projects = Projects(folder: folder)
            let caller = Caller(id: "tester", role: .developer)
            for name in ["a", "a_2026-01-01"] {
                let store = try await projects.store(try ProjectID(name), for: caller)
                try await store.keep("of \(name)")
                _ = try backup.make(of: store)
            }
            #expect(try backup.days(of: try ProjectID("a")).count == 1)
            #expect(try backup.days(of: try ProjectID("a_2026-01-01")).count == 1)
        }
    }
}
