import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage
import Testing

@testable import Tools

@Suite("Git tools")
struct GitToolsTests {
    private func withRepository(_ body: (ToolBench) async throws -> Void) async throws {
        try await ToolBench.with { bench in
            try await bench.git("init", "-q", "-b", "main")
            try bench.write("a.txt", "one\n")
            try await bench.git("add", "a.txt")
            try await bench.git("commit", "-qm", "first")
            try await body(bench)
        }
    }

    @Test("Changes are seen, staged, shown and committed; names with spaces and quotes are one name")
    func weakness_07_workflow() async throws {
        try await withRepository { bench in
            #expect(try await bench.call("git_status", [:])["stdout"] == "no changes (clean)")
            #expect(try await bench.call("git_diff", [:])["stdout"] == "no changes")
            try bench.write("a.txt", "two\n")
            for name in ["with space.txt", "-n", "한글 이름.txt", "it's.txt", "sub/:(top)x"] { try bench.write(name, "new\n") }
            let diff = try await bench.call("git_diff", ["file_path": "a.txt"])
            #expect(diff["stdout"]?.stringValue?.contains("-one\n+two") == true && diff["success"] == true && diff["returncode"] == 0)
            let add = try await bench.call("git_add", ["file_paths": "\"with space.txt\" -n '한글 이름.txt' \"it's.txt\" sub/:(top)x"])
            #expect(add["success"] == true, "\(add)")
            let staged = try await bench.git("-c", "core.quotePath=false", "diff", "--cached", "--name-only", "-z")
            #expect(
                Set(staged.split(separator: "\0").map(String.init)) == ["with space.txt", "-n", "한글 이름.txt", "it's.txt", "sub/:(top)x"])
            let arguments: JSONValue = ["message": "--amend 비밀", "add_all": true]
            #expect(try await bench.preview("git_commit", arguments)?.contains("+two") == true)
            let commit = try await bench.call("git_commit", arguments)
            #expect(commit["success"] == true && commit["command"]?.stringValue?.contains("비밀") == false, "\(commit)")
            let log = try await bench.call("git_log", ["max_count": 5])
            #expect(log["stdout"]?.stringValue?.split(separator: "\n").count == 2)
            #expect(try await bench.git("log", "-1", "--format=%s|%an|%ae") == "--amend 비밀|Maru|maru@localhost\n")
            #expect(try await bench.call("git_status", [:])["stdout"] == "no changes (clean)")
            #expect(try await bench.call("git_commit", ["message": "nothing"])["success"] == false)
            #expect(try await bench.refusal("git_commit", ["message": " \n"]).status == .unprocessableContent)
            #expect(try await bench.refusal("git_add", ["file_paths": "\"open"]).status == .unprocessableContent)
            #expect(try await bench.refusal("git_add", ["file_paths": "missing.txt"]).status == .notFound)
        }
    }

    @Test("What looks like an option is a name, and nothing outside is written")
    func weakness_07_options() async throws {
        try await withRepository { bench in
            try bench.write("a.txt", "two\n")
            let target = bench.outside.appending("written")
            for name in ["--output=\(target)", "--output=written", "--no-index", "--ext-diff", "-O\(target)"] {
                let answer = try? await bench.call("git_diff", ["file_path": .string(name)])
                #expect(answer == nil || answer?["stdout"] == "no changes", "\(name)")
                await #expect(throws: ServiceError.self) { try await bench.call("git_add", ["file_paths": .string(name)]) }
            }
            for path in ["/etc/passwd", "../x", ":/", ":(exclude)a.txt", ".git/config"] {
                await #expect(throws: ServiceError.self) { try await bench.call("git_add", ["file_paths": .string(path)]) }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.outside.string) == [bench.root.lastComponent?.string])
            #expect(!FileManager.default.fileExists(atPath: bench.root.appending("written").string))
            #expect(try await bench.refusal("git_status", ["path": ".."]).status == .forbidden)
            #expect(try await bench.refusal("git_log", ["working_dir": "/etc"]).status == .forbidden)
        }
    }

    @Test("Secrets are neither staged nor shown nor committed")
    func secrets() async throws {
        try await withRepository { bench in
            for name in [".env", "server.key", "data/x.db"] { try bench.write(name, "canary\n") }
            try bench.write("b.txt", "b\n")
            #expect(try await bench.refusal("git_add", ["file_paths": "b.txt .env"]).code == "path_denied")
            #expect(try await bench.git("diff", "--cached", "--name-only") == "")
            let add = try await bench.call("git_add", ["file_paths": "."])
            #expect(add["stdout"]?.stringValue?.contains(".env") == true)
            #expect(try await bench.git("diff", "--cached", "--name-only") == "b.txt\n")
            try await bench.git("add", "-f", ".env")
            for call in [("git_diff", ["staged": true]), ("git_diff", ["file_path": ".env"])] as [(String, JSONValue)] {
                let answer = try? await bench.call(call.0, call.1)
                #expect(answer?["stdout"]?.stringValue?.contains("canary") != true)
            }
            #expect(try await bench.refusal("git_commit", ["message": "m"]).code == "path_denied")
            #expect(try await bench.git("log", "--oneline").split(separator: "\n").count == 1)
        }
    }

    @Test("A hostile repository runs no program: hooks, filters, monitors, textconv, external diff, gpg, aliases, nested ones")
    func hostileRepository() async throws {
        try await withRepository { bench in
            let canary = bench.outside.appending("ran").string
            try bench.write("../evil.sh", "#!/bin/sh\necho \"$0 $*\" >> \(canary)\ncat\n")
            let evil = bench.outside.appending("evil.sh").string
            try #require(chmod(evil, 0o755) == 0)
            func arm(_ folder: String) async throws {
                for (key, value) in [
                    ("core.fsmonitor", evil), ("core.hooksPath", bench.root.appending("hooks").string), ("core.pager", evil),
                    ("core.editor", evil), ("core.sshCommand", evil), ("diff.external", evil), ("diff.x.textconv", evil),
                    ("diff.x.command", evil), ("filter.x.clean", evil), ("filter.x.process", evil), ("filter.a=b.c.clean", evil),
                    ("commit.gpgSign", "true"), ("gpg.program", evil), ("log.showSignature", "true"), ("alias.status", "!" + evil),
                    ("credential.helper", evil), ("merge.x.driver", evil), ("submodule.nested.ignore", "none"), ("pager.log", evil),
                ] { try await bench.git("config", key, value, in: folder) }
            }
            for hook in ["pre-commit", "commit-msg", "post-commit", "prepare-commit-msg", "post-index-change", "reference-transaction"] {
                for place in ["hooks/\(hook)", ".git/hooks/\(hook)"] {
                    try bench.write(place, "#!/bin/sh\necho \(hook) >> \(canary)\n")
                    try #require(chmod(bench.root.appending(place).string, 0o755) == 0)
                }
            }
            try bench.write("nested/n.x", "n\n")
            try await bench.git("init", "-q", in: "nested")
            try await bench.git("add", "n.x", in: "nested")
            try await bench.git("commit", "-qm", "n", in: "nested")
            try await bench.git("add", "nested")
            try await arm(".")
            try await arm("nested")
            try bench.write("nested/.gitattributes", "*.x filter=x\n")
            try bench.write("nested/n.x", "m\n")
            try bench.write(".gitattributes", "*.txt diff=x\n*.x filter=x\n*.y filter=a=b.c\n")
            for (name, text) in [("a.txt", "two\n"), ("b.x", "x\n"), ("c.y", "y\n"), ("d.txt", "d\n")] { try bench.write(name, text) }
            try? FileManager.default.removeItem(atPath: canary)

            #expect(try await bench.call("git_status", [:])["success"] == true)
            #expect(try await bench.call("git_status", ["path": "nested"])["success"] == true)
            #expect(try await bench.call("git_diff", [:])["stdout"]?.stringValue?.contains("+two") == true)
            #expect(try await bench.call("git_log", [:])["success"] == true)
            #expect(try await bench.refusal("git_add", ["file_paths": "b.x"]).code == "needs_filter")
            #expect(try await bench.refusal("git_add", ["file_paths": "."]).code == "needs_filter")
            #expect(try await bench.call("git_add", ["file_paths": "a.txt d.txt nested"])["success"] == true)
            let commit = try await bench.call("git_commit", ["message": "m"])
            #expect(commit["success"] == true, "\(commit)")
            let ran = (try? String(contentsOfFile: canary, encoding: .utf8)) ?? ""
            #expect(ran.isEmpty, "\(ran)")
        }
    }

    @Test("A repository that reaches out of the workspace is refused; a linked work tree inside is not")
    func reachingOut() async throws {
        try await withRepository { bench in
            try await bench.git("worktree", "add", "-q", "tree", "-b", "other")
            #expect(try await bench.call("git_log", ["working_dir": "tree"])["success"] == true)
            try bench.write("../elsewhere/x", "x")
            try await bench.git("init", "-q", in: "../elsewhere")
            try bench.write("pointer/.git", "gitdir: \(bench.outside)/elsewhere/.git\n")
            try bench.write("linked/x", "x")
            try bench.link("linked/.git", to: "../../elsewhere/.git")
            try bench.write("bare/HEAD", "ref: refs/heads/main\n")
            for folder in ["pointer", "linked"] {
                #expect(try await bench.refusal("git_status", ["path": .string(folder)]).code == "path_outside_workspace", "\(folder)")
            }
            let log = bench.root.appending(".git/logs/HEAD").string
            try FileManager.default.removeItem(atPath: log)
            try FileManager.default.createSymbolicLink(atPath: log, withDestinationPath: "../../../elsewhere/x")
            #expect(try await bench.refusal("git_commit", ["message": "m"]).code == "path_outside_workspace")
            try FileManager.default.removeItem(atPath: log)
            try bench.write(".git/objects/info/alternates", "\(bench.outside)/elsewhere/.git/objects\n")
            #expect(try await bench.refusal("git_log", [:]).code == "path_outside_workspace")
            try bench.write(".git/objects/info/alternates", "")
            try bench.write("../elsewhere/more", "[x]\ny = z\n")
            try await bench.git("config", "include.path", "\(bench.outside)/elsewhere/more")
            #expect(try await bench.refusal("git_log", [:]).code == "path_denied")
        }
    }
}
