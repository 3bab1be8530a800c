import Foundation
import HTTPTypes
import ServiceKit
import Suite
import TestSupport
import Testing

@testable import Tools

/// Time, bytes, processes and folders of web tools.
extension WebToolTests {
    @Test(
        "weakness_22: a page that never ends is given up, whatever it does",
        arguments: [
            "never", html("<img src=/never>"), html("<script>while (true) {}</script>"),
            html("<script>onload = () => { while (true) {} }</script>"),
            html("<script>location.reload()</script>"),
        ])
    func neverEnding(_ answer: String) async throws {
        try await LocalWeb.with({ path, _ in path == "/never" ? "never" : answer }) { web in
            try await WebBench.with(allowing: [web.port], ["WEB_TIMEOUT": "6"]) { bench in
                let error = try await bench.refusal("web_scrape", ["url": .string("http://127.0.0.1:\(web.port)/"), "selector": "p"])
                #expect(error.status == .gatewayTimeout && error.code == "timeout", "\(error)")
            }
        }
        try await BrowserRemains.vanish()
    }

    @Test("A page that asks the network for ever is read once it is loaded")
    func neverQuiet() async throws {
        let page = html("<p>있음</p><script>setInterval(() => fetch('/poll'), 100)</script>")
        try await LocalWeb.with({ _, _ in page }) { web in
            try await WebBench.with(allowing: [web.port]) { bench in
                let read = try await bench.scrape("http://127.0.0.1:\(web.port)/")
                #expect(read == ["있음"])
            }
        }
    }

    @Test("A page that is too large is given up, wherever its bytes come from", arguments: ["/endless", "/image", "/fetch"])
    func tooLarge(_ path: String) async throws {
        let pages: LocalWeb.Pages = { path, _ in
            switch path {
            case "/image": html("<img src=/endless>")
            case "/fetch": html("<script>fetch('/endless').then(answer => answer.text())</script>")
            default: "endless"
            }
        }
        try await LocalWeb.with(pages) { web in
            try await WebBench.with(allowing: [web.port], ["WEB_MAX_BYTES": "2000000"]) { bench in
                let url = "http://127.0.0.1:\(web.port)\(path)"
                let error = try await bench.refusal("web_scrape", ["url": .string(url), "selector": "p"])
                #expect(error.status == .contentTooLarge && error.code == "too_large", "\(error)")
            }
        }
    }

    @Test("Dialogs, windows and permissions a page asks for hold nobody up")
    func interruptions() async throws {
        let page = html(
            """
            <p id=a></p><script>
            alert('하나'); const answers = [confirm('둘'), prompt('셋')]; onbeforeunload = () => '가지 마';
            const opened = window.open('/popup'); print();
            navigator.geolocation.getCurrentPosition(() => answers.push('here'), () => answers.push('denied'));
            setTimeout(() => document.querySelector('#a').textContent = JSON.stringify([...answers, opened === null]), 300);
            </script><a id=new target=_blank href=/popup>새 창</a>
            """)
        try await LocalWeb.with({ _, _ in page }) { web in
            try await WebBench.with(allowing: [web.port]) { bench in
                let url = "http://127.0.0.1:\(web.port)/"
                let read = try await bench.scrape(url)
                #expect(read.count == 1 && read.first?.hasPrefix("[false,null") == true, "\(read)")
                let result = try await bench.call(
                    "web_automate", ["url": .string(url), "actions": ##"[{"type":"click","selector":"#new"},{"type":"wait","value":1}]"##])
                #expect(result.structured["url"] == .string(url))
                #expect(!web.paths.contains("/popup"), "\(web.paths)")
            }
        }
    }

    @Test("A call that is cancelled ends its browser at once")
    func cancelled() async throws {
        try await LocalWeb.with({ _, _ in "never" }) { web in
            try await WebBench.with(allowing: [web.port]) { bench in
                let call = Task { try await bench.scrape("http://127.0.0.1:\(web.port)/") }
                while web.paths.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
                #expect(!BrowserRemains.processes.isEmpty && BrowserRemains.folders.count == 1)
                call.cancel()
                await #expect(throws: CancellationError.self) { try await call.value }
                try await BrowserRemains.vanish()
            }
        }
    }

    @Test("weakness_22: after many calls, done, failed, cancelled and timed out, no process and no folder is left")
    func nothingIsLeft() async throws {
        try await LocalWeb.with({ path, _ in path == "/never" ? "never" : html("<p>있음</p>") }) { web in
            try await WebBench.with(allowing: [web.port], ["WEB_TIMEOUT": "8"]) { bench in
                let url = "http://127.0.0.1:\(web.port)/"
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<10 {
                        group.addTask {
                            let call = Task { try await bench.scrape(number % 5 == 4 ? url + "never" : url, number % 5 == 3 ? "p[" : "p") }
                            if number % 5 == 2 {
                                try await Task.sleep(for: .milliseconds(700 * number))
                                call.cancel()
                            }
                            _ = await call.result
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(web.paths.count > 3)
            }
        }
        try await BrowserRemains.vanish()
    }

    @Test("A folder of a process that is no more is removed at the next start, and no other")
    func leftovers() throws {
        let folder = FileManager.default.temporaryDirectory
        let own = "maru-web-\(getpid())-\(try #require(ProcessIdentity(pid: getpid())).started)-kept"
        // No process has the number that the kernel keeps for none.
        let names = ["maru-web-4194999-1-gone", "maru-web-\(getpid())-1-earlier", own, "maru-web-notes"]
        for name in names { try FileManager.default.createDirectory(at: folder.appending(path: name), withIntermediateDirectories: true) }
        defer { for name in names { try? FileManager.default.removeItem(at: folder.appending(path: name)) } }
        ProfileFolder.removeLeftovers()
        #expect(names.map { FileManager.default.fileExists(atPath: folder.appending(path: $0).path) } == [false, false, true, true])
    }
}
