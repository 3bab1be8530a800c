#if os(Linux)
    import Foundation
    import GRDB
    import Glibc
    import SystemPackage
    import TestSupport
    import Testing

    @testable import Memory

    @Suite("A memory that nobody used for a while")
    struct PrewarmTests {
        /// A memory of some megabytes, none of which is in the system's cache of files.
        ///
        /// - Parameter expired: conversations in it whose time has passed.
        private func withCold(expired: Int, _ body: (FilePath, MovedClock) async throws -> Void) async throws {
            try await withScratchFolder { folder in
                let (path, clock) = (folder.appending("projects/project/memory.db"), MovedClock())
                let store = try MemoryStore(try ProjectID("project"), for: "tester", path: path, now: { clock.now })
                for number in 0..<expired { try await store.keep("turn \(number)", "short", importance: 2) }
                // What nobody asks for, and removal does not touch.
                try await store.pool.write { db in
                    try db.execute(sql: "CREATE TABLE ballast (bytes BLOB)")
                    for _ in 0..<20 { try db.execute(sql: "INSERT INTO ballast VALUES (randomblob(1000000))") }
                }
                try await store.checkpoints.finished()
                try store.close()
                clock.advance(days: 10)
                let file = open(path.string, O_RDWR)
                defer { close(file) }
                try #require(fsync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0)
                // A file system that is nowhere but in memory keeps it there.
                guard try share(of: path) < 0.1 else { return }
                try await body(path, clock)
            }
        }

        /// How much of a file is in the system's cache (mincore(2)).
        private func share(of path: FilePath) throws -> Double {
            let file = open(path.string, O_RDONLY)
            defer { close(file) }
            let size = Int(lseek(file, 0, SEEK_END))
            let map = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, file, 0))
            defer { munmap(map, size) }
            var pages = [UInt8](repeating: 0, count: (size + 4_095) / 4_096)
            try #require(mincore(map, size, &pages) == 0)
            return Double(pages.count { $0 & 1 == 1 }) / Double(pages.count)
        }

        @Test("Is read in when the service begins")
        func atStart() async throws {
            try await withCold(expired: 0) { path, clock in
                let folder = path.removingLastComponent().removingLastComponent().removingLastComponent()
                let projects = Projects(folder: folder, now: { clock.now })
                let store = try #require(try await projects.current(try ProjectID("project")))
                #expect(try share(of: path) < 0.5)
                let service = Task { try await Prewarm(projects: projects).run() }
                while try share(of: path) < 0.99 { try await Task.sleep(for: .milliseconds(10)) }
                service.cancel()
                try store.close()
            }
        }

        @Test("Is read in before very much of it is removed, and not for little")
        func beforeExpiry() async throws {
            for (expired, isRead) in [(20, false), (1_200, true)] {
                try await withCold(expired: expired) { path, clock in
                    let store = try MemoryStore(try ProjectID("project"), for: "tester", path: path, now: { clock.now })
                    #expect(try await store.removeExpired() == expired)
                    #expect(try await store.prewarm(atMost: 1_000) == 0, "What is longer than it may be is not read.")
                    try store.close()
                    let share = try share(of: path)
                    #expect((share > 0.9) == isRead, "\(share) with \(expired)")
                }
            }
        }
    }
#endif
