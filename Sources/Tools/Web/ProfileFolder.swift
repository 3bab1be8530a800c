import Foundation
import ServiceKit
import SystemPackage

/// A browser's profile: a folder of one call's own. Its name says whose it is, so that what a crash left behind is found.
enum ProfileFolder {
    private static let prefix = "maru-web-"

    /// Makes a folder, works with it and removes it, whatever happens.
    ///
    /// It lies in the folder for temporary files: Chromium puts a socket there, whose path may have a hundred letters.
    static func with<Value: Sendable>(_ work: (FilePath) async throws -> Value) async throws -> Value {
        let me = getpid()
        let started = ProcessIdentity(pid: me)?.started ?? 0
        let folder = try await offPool {
            var path = Array((NSTemporaryDirectory() + "/\(prefix)\(me)-\(started)-XXXXXX").utf8CString)
            guard mkdtemp(&path) != nil else {
                throw ServiceError.unavailable(
                    "No folder for a browser can be made in \(NSTemporaryDirectory()): \(Errno(rawValue: errno)).")
            }
            return FilePath(String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)).lexicallyNormalized()
        }
        do {
            let value = try await work(folder)
            await remove(folder)
            return value
        } catch {
            await remove(folder)
            throw error
        }
    }

    /// Processes that were killed a moment ago may still be writing.
    private static func remove(_ folder: FilePath) async {
        // Not as part of the call, which may be cancelled: the folder goes all the same.
        await Task {
            for _ in 0..<50 {
                try? await offPool { try FileManager.default.removeItem(atPath: folder.string) }
                if !FileManager.default.fileExists(atPath: folder.string) { return }
                try? await Task.sleep(for: .milliseconds(40))
            }
        }.value
    }

    /// Removes the folders of processes that are no more.
    static func removeLeftovers() {
        let folder = FilePath(NSTemporaryDirectory())
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? [] where name.hasPrefix(prefix) {
            let parts = name.dropFirst(prefix.count).split(separator: "-")
            guard parts.count == 3, let pid = Int32(parts[0]), let started = UInt64(parts[1]),
                ProcessIdentity(pid: pid)?.started != started
            else { continue }
            try? FileManager.default.removeItem(atPath: folder.appending(name).string)
        }
    }
}
