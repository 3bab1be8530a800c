import Foundation
import ServiceKit
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Locks of files and folders")
struct FileLockTests {
    @Test("One at a time holds a lock; the next has it when that one lets go, and waits for a folder's", .timeLimit(.minutes(5)))
    func exclusive() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending("lock")
            var first = try FileLock(path)
            #expect(first != nil)
            #expect(try FileLock(path) == nil)
            first = nil
            #expect(try FileLock(path) != nil)

            var holder: FileLock? = try await FileLock.folder(folder)
            #expect(holder != nil)
            var waits = 0
            _ = try await FileLock.folder(folder) {
                waits += 1
                holder = nil
            }
            #expect(waits == 1)
        }
    }

    @Test("To find a lock taken closes no file but one's own", .timeLimit(.minutes(5)))
    func othersFiles() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending("lock")
            let held = try FileLock(path)
            let isOver = Mutex(false)
            let began = AsyncStream<Void>.makeStream()
            // A descriptor that is closed twice is, the second time, whatever has been opened in between.
            async let others: Void = offPool {
                began.continuation.finish()
                while !isOver.withLock({ $0 }) { try FileDescriptor.open("/dev/null", .readOnly).close() }
            }
            for await _ in began.stream {}
            let taken = Result { try (0..<20_000).filter { _ in try FileLock(path) == nil }.count }
            isOver.withLock { $0 = true }
            #expect(try taken.get() == 20_000)
            try await others
            withExtendedLifetime(held) {}
        }
    }
}
