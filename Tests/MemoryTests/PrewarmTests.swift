#if os(Linux)
    import Foundation
    import GRDB
    import Glibc
    import SystemPackage
    import TestSupport
    import Testing

    @testable import Memory

    /// The system's cache of files.
    private enum FileCache {
        /// Whether a file that was written can be on the disk alone.
        static let canBeCold: Bool = {
            let path = FilePath(FileManager.default.temporaryDirectory.path).appending("maru-cold-\(UUID().uuidString)")
            defer { unlink(path.string) }
            guard let file = try? FileDescriptor.open(path, .readWrite, options: .create, permissions: .ownerReadWrite) else {
                return false
            }
            defer { try? file.close() }
            guard (try? file.writeAll([UInt8](repeating: 1, count: 1 << 20))) != nil, (try? cool(file)) != nil else { return false }
            return (try? share(of: file)) == 0
        }()

        /// Takes a file out of the system's cache (posix_fadvise(3)).
        static func cool(_ file: FileDescriptor) throws {
            try #require(fsync(file.rawValue) == 0 && posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED) == 0)
        }

        /// How much of a file is in the system's cache (mincore(2)).
        static func share(of file: FileDescriptor) throws -> Double {
            let size = Int(try file.seek(offset: 0, from: .end))
            let map = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, file.rawValue, 0))
            defer { munmap(map, size) }
            var pages = [UInt8](repeating: 0, count: (size + 4_095) / 4_096)
            try #require(mincore(map, size, &pages) == 0)
            return Double(pages.count { $0 & 1 == 1 }) / Double(pages.count)
        }
    }

    @Suite(
        "A memory that nobody used for a while", .timeLimit(.minutes(5)),
        .enabled(if: FileCache.canBeCold, "files for tests are on a file system that cannot let go of what it has in memory"))
    struct PrewarmTests {
        /// A memory of some megabytes, none of which is in the system's cache of files.
        ///
        /// - Parameters:
        ///   - expired: conversations in it whose time has passed.
        ///   - body: is given the file's path, and how much of it is in the cache. It has nothing open when it returns.
        private func withCold(
            expired: Int, _ body: (FilePath, MovedClock, _ share: () throws -> Double) async throws -> Void
        ) async throws {
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
                // Closed when the database no longer is open: SQLite's locks would go with it.
                let file = try FileDescriptor.open(path, .readOnly)
                defer { try? file.close() }
                try FileCache.cool(file)
                try await body(path, clock) { try FileCache.share(of: file) }
            }
        }

        @Test("Is read in when the service begins")
        func atStart() async throws {
            try await withCold(expired: 0) { path, clock, share in
                let folder = path.removingLastComponent().removingLastComponent().removingLastComponent()
                let projects = Projects(folder: folder, now: { clock.now })
                let store = try #require(try await projects.current(try ProjectID("project")))
                #expect(try share() < 0.5)
                let service = Task { try await Prewarm(projects: projects).run() }
                while try share() < 0.9 { try await Task.sleep(for: .milliseconds(10)) }
                service.cancel()
                _ = await service.result
                try store.close()
            }
        }

        @Test("Is read in before very much of it is removed, and not for little")
        func beforeExpiry() async throws {
            for (expired, isRead) in [(20, false), (1_200, true)] {
                try await withCold(expired: expired) { path, clock, share in
                    let store = try MemoryStore(try ProjectID("project"), for: "tester", path: path, now: { clock.now })
                    #expect(try await store.removeExpired() == expired)
                    #expect(try await store.prewarm(atMost: 1_000) == 0, "What is longer than it may be is not read.")
                    try store.close()
                    let found = try share()
                    #expect((found > 0.9) == isRead, "\(found) with \(expired)")
                }
            }
        }
    }
#endif
