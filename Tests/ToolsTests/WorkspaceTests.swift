import Foundation
import HTTPTypes
import ServiceKit
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Tools

@Suite("The workspace")
struct WorkspaceTests {
    @Test("Whatever leads out is refused with 403 and the phrase that fits", arguments: [true, false])
    func weakness_06_paths(usesKernel: Bool) async throws {
        try await ToolBench.with(usesKernel: usesKernel) { bench in
            try bench.write("../secret.txt", "canary")
            try bench.write("../space-evil/a.txt", "canary")
            try bench.write("sub/a.txt", "fine")
            try bench.link("out", to: "..")
            try bench.link("absolute", to: "/etc")
            try bench.link("sub/twice", to: "../out/secret.txt")
            for (path, phrase) in [
                ("../secret.txt", "Path traversal blocked"), ("sub/../../secret.txt", "Path traversal blocked"),
                ("../../../etc/passwd", "Path traversal blocked"), ("../../root/.ssh/id_rsa", "blocked"),
                ("out/secret.txt", "Path traversal blocked"), ("absolute/passwd", "Path traversal blocked"),
                ("sub/twice", "Path traversal blocked"), ("/etc", "System path access blocked"),
                ("/etc/passwd", "Sensitive file access blocked"), ("/bin/bash", "System path access blocked"),
                ("/usr/bin/sudo", "System path access blocked"), ("/proc/self/root/etc/passwd", "System path access blocked"),
                ("\(bench.outside)/space-evil/a.txt", "blocked"), ("\(bench.root)/../secret.txt", "blocked"),
                ("C:\\Windows\\System32\\config\\SAM", "Windows system path blocked"),
                ("C:/Windows/System32", "Windows system path blocked"),
                ("\\\\?\\C:\\Windows", "Windows system path blocked"), ("\\\\.\\pipe\\x", "Windows system path blocked"),
                ("sub\\..\\..\\secret.txt", "Windows system path blocked"), ("C:\\Windows/System32", "Windows system path blocked"),
                (".env", "Sensitive file access blocked"), ("sub/.SSH/config", "Sensitive file access blocked"),
                ("server.Key", "Sensitive file access blocked"), ("data/sqlite/security.db", "Sensitive file access blocked"),
            ] {
                for tool in ["read_file", "list_files", "create_directory"] {
                    let error = try await bench.refusal(tool, ["path": .string(path)])
                    #expect(error.status == .forbidden, "\(tool) \(path): \(error)")
                    #expect(error.message.contains(phrase), "\(tool) \(path): \(error)")
                }
                let error = try await bench.refusal("write_file", ["path": .string(path), "content": "x"])
                #expect(error.status == .forbidden, "write_file \(path): \(error)")
            }
            #expect(try String(contentsOfFile: bench.outside.appending("secret.txt").string, encoding: .utf8) == "canary")
            let names = try FileManager.default.contentsOfDirectory(atPath: bench.outside.string)
            #expect(Set(names) == ["space", "space-evil", "secret.txt"])
        }
    }

    @Test(
        "Documents that only speak of administrators and credentials are read; links that stay inside are followed",
        arguments: [true, false])
    func weakness_06_allowed(usesKernel: Bool) async throws {
        try await ToolBench.with(usesKernel: usesKernel) { bench in
            for path in ["docs/administrator-guide.md", "Sources/Credentials.swift", ".env.example", "etc/passwd", "100%2e%2e/a.txt", "-n"]
            {
                try bench.write(path, "text of \(path)")
                #expect(try await bench.call("read_file", ["path": .string(path)])["content"] == .string("text of \(path)"))
            }
            try bench.link("docs/link.md", to: "../docs/./administrator-guide.md")
            try bench.link("folder", to: "docs")
            for path in ["docs/link.md", "folder/link.md", "docs/../folder/administrator-guide.md", "\(bench.root)/folder/link.md"] {
                #expect(try await bench.call("read_file", ["path": .string(path)])["path"] == "docs/administrator-guide.md", "\(path)")
            }
            #expect(try await bench.call("read_file", ["path": "link.md", "working_dir": "docs"])["path"] == "docs/administrator-guide.md")
            #expect(try await bench.refusal("read_file", ["path": "../../x", "working_dir": "docs"]).status == .forbidden)
            #expect(try await bench.refusal("read_file", ["path": "x", "working_dir": ".."]).status == .forbidden)
            #expect(try await bench.refusal("read_file", ["path": "docs/%2e%2e/etc/passwd"]).status == .notFound)
        }
    }

    @Test("A link to a secret is the secret; a second name of a file outside is refused, of one inside read")
    func links() async throws {
        try await ToolBench.with { bench in
            try bench.write(".env", "TOKEN=canary")
            try bench.write("../other.txt", "canary")
            try bench.write("a.txt", "fine")
            try bench.link("notes.txt", to: ".env")
            for (from, to) in [(".env", "second.txt"), ("../other.txt", "third.txt"), ("a.txt", "b.txt")] {
                try #require(Foundation.link(bench.root.string + "/" + from, bench.root.string + "/" + to) == 0)
            }
            for path in ["notes.txt", "second.txt", "third.txt"] {
                #expect(try await bench.refusal("read_file", ["path": .string(path)]).code == "path_denied", "\(path)")
            }
            #expect(try await bench.call("read_file", ["path": "b.txt"])["content"] == "fine")
            let found = try await bench.call("search_files", ["pattern": "canary"])
            #expect(found["count"] == 0, "\(found)")
            let denied = try bench.workspace.deniedPaths(in: bench.root, limit: 1_000)
            #expect(denied.isComplete && Set(denied.paths.map(\.string)) == ["\(bench.root)/.env", "\(bench.root)/second.txt"])
            #expect(!(try bench.workspace.deniedPaths(in: bench.root, limit: 2)).isComplete)
        }
    }

    @Test("Pipes, sockets and devices are refused at once", .timeLimit(.minutes(1)))
    func specialFiles() async throws {
        try await ToolBench.with { bench in
            try #require(mkfifo(bench.root.appending("pipe").string, 0o600) == 0)
            #expect(try await bench.refusal("read_file", ["path": "pipe"]).code == "not_a_file")
            #expect(try await bench.refusal("write_file", ["path": "pipe", "content": "x"]).code == "not_a_file")
            #expect(try await bench.refusal("read_file", ["path": "."]).code == "not_a_file")
            #expect(try await bench.refusal("list_files", ["path": "pipe"]).status == .unprocessableContent)
        }
    }

    @Test("Text that is no path is refused with 422")
    func malformed() async throws {
        try await ToolBench.with { bench in
            let long = String(repeating: "a/", count: 2_040) + "longer-than-that"
            for path in ["", "a\0b", "a\nb", "a\u{7F}", String(repeating: "n", count: 300), long] {
                let error = try await bench.refusal("read_file", ["path": .string(path)])
                #expect(error.status == .unprocessableContent, "\(path.prefix(20))")
            }
        }
    }

    @Test("A name is found however its Hangul is composed, and not made a second time")
    func hangul() async throws {
        try await ToolBench.with { bench in
            let composed = "한글 문서.md".precomposedStringWithCanonicalMapping
            let decomposed = composed.decomposedStringWithCanonicalMapping
            try bench.write("폴더".decomposedStringWithCanonicalMapping + "/" + decomposed, "안녕")
            for path in ["폴더/" + composed, "폴더/" + decomposed] {
                #expect(try await bench.call("read_file", ["path": .string(path)])["content"] == "안녕")
            }
            try await bench.call("write_file", ["path": .string("폴더/" + composed), "content": "다시"])
            #expect(try await bench.call("list_files", ["path": "폴더"])["count"] == 1)
        }
    }

    @Test(
        "However fast a folder and a link to the outside change places, nothing outside is read or written", .serialized,
        arguments: [true, false])
    func race(usesKernel: Bool) async throws {
        try await ToolBench.with(usesKernel: usesKernel) { bench in
            try bench.write("inner/f.txt", "inside")
            try bench.write("../f.txt", "canary")
            try bench.link("evil", to: "..")
            let swapper = Swapper(root: bench.root.string)
            // Not a thread of a pool: those are as many as processors, and the tools need them.
            Thread { swapper.run() }.start()
            defer { swapper.stop() }
            var reads = 0
            for _ in 0..<400 {
                if let read = try? await bench.call("read_file", ["path": "inner/f.txt"]) {
                    reads += 1
                    #expect(read["content"] == "inside" || read["content"] == "written")
                }
                if reads % 50 == 0 { _ = try? await bench.call("write_file", ["path": "inner/f.txt", "content": "written"]) }
            }
            #expect(swapper.count > 1_000)
            #expect(reads > 0)
            #expect(try String(contentsOfFile: bench.outside.appending("f.txt").string, encoding: .utf8) == "canary")
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.outside.string).sorted() == ["f.txt", "space"])
        }
    }

    @Test("DATA_DIR is out of reach, but for the workspace in it")
    func dataFolder() async throws {
        try await withScratchFolder { folder in
            let workspace = Workspace(settings: try await .test(folder: folder))
            try workspace.prepare()
            #expect(workspace.roots == [folder.appending("data/workspace")])
            #expect(!workspace.isDenied(folder.appending("data/workspace/a.txt")))
            #expect(
                workspace.isDenied(folder.appending("data/secrets/admin.key")) && workspace.isDenied(folder.appending("data/sqlite/x.db")))
            let checkout = Workspace(settings: try await .test(["PROJECT_ROOT": folder.string], folder: folder))
            #expect(checkout.isDenied(folder.appending("data")) && checkout.isDenied(folder.appending("data/logs/rag.log")))
            #expect(!checkout.isDenied(folder.appending("database.md")))
            #expect(checkout.isWriteDenied(folder.appending("models/a.gguf")) && !checkout.isDenied(folder.appending("models/a.gguf")))
            let inData = Workspace(settings: try await .test(["ALLOWED_ROOTS": folder.appending("data/secrets").string], folder: folder))
            #expect(inData.roots.count == 1)
        }
    }
}

/// Has a folder and a link to the outside change places, again and again, on a thread of its own.
private final class Swapper: Sendable {
    private let root: String
    private let state = Mutex((swaps: 0, isStopped: false))

    init(root: String) { self.root = root }

    /// How often they changed places.
    var count: Int { state.withLock { $0.swaps } }

    func stop() { state.withLock { $0.isStopped = true } }

    func run() {
        while !state.withLock({ $0.isStopped }) {
            rename(root + "/inner", root + "/parked")
            rename(root + "/evil", root + "/inner")
            rename(root + "/inner", root + "/evil")
            rename(root + "/parked", root + "/inner")
            state.withLock { $0.swaps += 2 }
        }
    }
}
