import Foundation
import HTTPTypes
import ServiceKit
import SuiteAPI
import SystemPackage
import Testing

@testable import Tools

@Suite("File tools")
struct FileToolsTests {
    @Test("A file that is written is read again; what was there keeps its mode, and a preview shows the difference")
    func writeAndRead() async throws {
        try await ToolBench.with { bench in
            #expect(
                try await bench.preview("write_file", ["path": "a/b/c.sh", "content": "one\n"])
                    == "--- /dev/null\n+++ b/a/b/c.sh\n@@ -0,0 +1,1 @@\n+one\n")
            #expect(!FileManager.default.fileExists(atPath: bench.root.appending("a").string))
            #expect(try await bench.call("write_file", ["path": "a/b/c.sh", "content": "one\ntwo\n"])["created"] == true)
            try #require(chmod(bench.root.appending("a/b/c.sh").string, 0o755) == 0)
            let preview = try await bench.preview("write_file", ["path": "a/b/c.sh", "content": "one\n둘"])
            #expect(preview == "--- a/a/b/c.sh\n+++ b/a/b/c.sh\n@@ -1,2 +1,2 @@\n one\n-two\n+둘\n\\ No newline at end of file\n")
            let written = try await bench.call("write_file", ["path": "a/b/c.sh", "content": "one\n둘"])
            #expect(written["created"] == false && written["bytes"] == 7)
            var status = stat()
            try #require(stat(bench.root.appending("a/b/c.sh").string, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o755)
            let read = try await bench.call("read_file", ["path": "a/b/c.sh"])
            #expect(read == ["path": "a/b/c.sh", "content": "one\n둘", "size": 5, "bytes": 7, "type": ".sh", "byte_order_mark": false])
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.root.appending("a/b").string) == ["c.sh"])
        }
    }

    @Test("What is no UTF-8 text is 422, what is too large 413, what is missing 404")
    func unreadable() async throws {
        try await ToolBench.with { bench in
            try Data([0xFF, 0xFE, 0x00]).write(to: URL(filePath: bench.root.appending("b.bin").string))
            try bench.write("nul.txt", "a\0b")
            try #require(truncate(bench.root.appending("nul.txt").string, 9 << 20) == 0)
            #expect(try await bench.refusal("read_file", ["path": "b.bin"]).code == "not_text")
            #expect(try await bench.refusal("read_file", ["path": "nul.txt"]).status == .contentTooLarge)
            #expect(try await bench.refusal("read_file", ["path": "none"]).status == .notFound)
            try bench.write("bom.txt", "\u{FEFF}x")
            #expect(try await bench.call("read_file", ["path": "bom.txt"])["byte_order_mark"] == true)
        }
    }

    @Test("Git's own files, links, secrets and write-protected files are not written")
    func unwritable() async throws {
        try await ToolBench.with { bench in
            try bench.write("a.txt", "a")
            try bench.write("fixed.txt", "a")
            try bench.link("link.txt", to: "a.txt")
            try #require(chmod(bench.root.appending("fixed.txt").string, 0o444) == 0)
            for path in [
                ".git/hooks/pre-commit", ".git", ".GIT/config", "sub/.git/config", ".g\u{200C}it/config", "git~1/config", ".git./x",
                "link.txt",
                "fixed.txt", ".env.local", "id_ed25519", "a/.aws/credentials", "data/x",
            ] {
                #expect(try await bench.refusal("write_file", ["path": .string(path), "content": "x"]).status == .forbidden, "\(path)")
            }
            #expect(try bench.text("a.txt") == "a" && bench.text("fixed.txt") == "a")
            #expect(try await bench.refusal("write_file", ["path": "a.txt/b", "content": "x"]).status == .unprocessableContent)
        }
    }

    @Test("A folder is listed in order, without secrets")
    func list() async throws {
        try await ToolBench.with { bench in
            for path in ["b.txt", "a/x", ".env", "data/x", "Z"] { try bench.write(path, "12") }
            let list = try await bench.call("list_files", [:])
            #expect(list["files"] == ["Z", "a", "b.txt"] && list["count"] == 3)
            #expect(list["entries"]?.arrayValue?.last == ["name": "b.txt", "type": "file", "size": 2])
            #expect(try await bench.call("create_directory", ["path": "x/y/z"])["created"] == true)
            #expect(try await bench.call("create_directory", ["path": "x/y/z"])["created"] == false)
            #expect(try await bench.call("list_files", ["path": "x/y"])["files"] == ["z"])
        }
    }

    @Test("Lines and names are found, with and without ripgrep, and secrets are not")
    func search() async throws {
        try await ToolBench.with { bench in
            try bench.write("src/a.swift", "let x = 1\nlet needle = 2\n")
            try bench.write("src/b.py", "needle\nNEEDLE\n--files\n")
            for path in [".env", "server.key", "data/log.txt", "node_modules/x.js", ".git/config"] { try bench.write(path, "needle") }
            for usesRipgrep in Set([Ripgrep.isInstalled, false]) {
                func found(_ arguments: JSONValue) async throws -> [String] {
                    let descriptor = try #require(ToolCatalogue["search_files"])
                    let tool = SearchFiles(workspace: bench.workspace, usesRipgrep: usesRipgrep)
                    let answer = try await tool.run(ToolArguments(arguments, for: descriptor), ToolContext(caller: .anonymous)).structured
                    return answer["matches"]?.arrayValue?.map {
                        ($0["path"]?.stringValue ?? "") + ":\($0["line"]?.intValue ?? 0):" + ($0["text"]?.stringValue ?? "")
                    } ?? []
                }
                #expect(try await found(["pattern": "needle"]) == ["src/a.swift:2:let needle = 2", "src/b.py:1:needle"])
                #expect(try await found(["pattern": "^NEEDLE$", "case_sensitive": false]) == ["src/b.py:1:needle", "src/b.py:2:NEEDLE"])
                #expect(try await found(["pattern": "let [xy]", "glob": "*.swift"]) == ["src/a.swift:1:let x = 1"])
                #expect(try await found(["pattern": "needle", "glob": "src/**/*.py", "max_results": 1]) == ["src/b.py:1:needle"])
                #expect(try await found(["pattern": "--files", "fixed": true]) == ["src/b.py:3:--files"])
                #expect(try await found(["pattern": "--pre=touch"]) == [])
                #expect(try await found(["pattern": "\\.py$", "names": true]) == ["src/b.py:0:"])
                #expect(try await found(["pattern": "needle", "path": "src/a.swift"]) == ["src/a.swift:2:let needle = 2"])
                await #expect(throws: ServiceError.self) { try await found(["pattern": "("]) }
                await #expect(throws: ServiceError.self) { try await found(["pattern": "x", "path": ".."]) }
            }
        }
    }

    @Test("An expression that would take for ever is given up", .timeLimit(.minutes(1)))
    func regexBomb() throws {
        let descriptor = try #require(ToolCatalogue["search_files"])
        let query = try SearchQuery(ToolArguments(["pattern": "^(a+)+$"], for: descriptor))
        let line = String(repeating: "a", count: 40) + "!"
        let error = #expect(throws: ServiceError.self) { try query.isIn(line, until: .now + .milliseconds(200)) }
        #expect(error?.status == .gatewayTimeout)
    }

    @Test("Five hundred files in many folders are searched whole, either way")
    func manyFiles() async throws {
        try await ToolBench.with { bench in
            for folder in 0..<50 { mkdir(bench.root.appending("d\(folder)").string, 0o755) }
            for index in 0..<500 {
                let text = index == 432 ? "the needle\n" : "hay \(index)\n"
                try Data(text.utf8).write(to: URL(filePath: bench.root.appending("d\(index % 50)/f\(index).txt").string))
            }
            for usesRipgrep in Set([Ripgrep.isInstalled, false]) {
                let descriptor = try #require(ToolCatalogue["search_files"])
                let tool = SearchFiles(workspace: bench.workspace, usesRipgrep: usesRipgrep)
                let answer = try await tool.run(ToolArguments(["pattern": "needle"], for: descriptor), ToolContext(caller: .anonymous))
                    .structured
                #expect(answer["count"] == 1 && answer["files_searched"] == 500 && answer["truncated"] == false)
            }
        }
    }
}
