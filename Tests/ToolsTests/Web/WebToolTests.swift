import Foundation
import HTTPTypes
import ServiceKit
import Suite
import SuiteAPI
import TestSupport
import Testing

@testable import Tools

/// Web tools with the real Chromium. One after another: what is left of browsers is counted for the whole process.
@Suite("Web tools", .serialized, .timeLimit(.minutes(10)))
struct WebToolTests {
    private static let page = html(
        """
        <style>body { font-family: serif; color: rgb(1, 2, 3); background: rgb(250, 251, 252); padding: 4px }</style>
        <h1>안녕하세요</h1><p>첫째 문단</p><p>  둘째 문단 </p><p> </p><a href="/next?q=한">다음</a><a id=plain>없음</a>
        <form><input id=name><select id=kind><option>가<option>나</select><input type=checkbox id=box>
        <button id=send type=button onclick="document.querySelector('h1').textContent = '반가워요 ' + name.value">보내기</button></form>
        <button id=go onclick="location = '/next'">가기</button>
        <script>name = document.querySelector('#name')</script><div style="height: 3000px"></div>
        """, title: "시험 페이지")

    private func withSite<Value: Sendable>(
        _ values: [String: String] = [:],
        _ pages: @escaping LocalWeb.Pages = { path, _ in
            path.hasPrefix("/next") ? html("<p>다음 쪽</p>", title: "다음") : WebToolTests.page
        },
        _ body: @escaping @Sendable (WebBench, _ url: String, LocalWeb) async throws -> Value
    ) async throws -> Value {
        try await LocalWeb.with(pages) { web in
            try await WebBench.with(allowing: [web.port], values) { bench in
                try await body(bench, "http://127.0.0.1:\(web.port)/", web)
            }
        }
    }

    @Test("Elements are read as text, as attributes and as whole addresses; blank ones are left out")
    func scrape() async throws {
        try await withSite { bench, url, _ in
            let result = try await bench.call("web_scrape", ["url": .string(url), "selector": "p"])
            #expect(
                result.structured == [
                    "url": .string(url), "selector": "p", "data": ["첫째 문단", "둘째 문단"], "count": 2, "truncated": false,
                ])
            #expect(result.text == "첫째 문단\n둘째 문단")
            #expect(try await bench.scrape(url, "a", attribute: "href") == [url + "next?q=%ED%95%9C"])
            #expect(try await bench.scrape(url, "a", attribute: "id") == ["plain"])
            #expect(try await bench.scrape(url, "select", attribute: "innerHTML") == ["<option>가</option><option>나</option>"])
            #expect(try await bench.scrape(url, "h6").isEmpty)
            for selector in ["p[", "", "p'); alert(1)//", "::"] {
                let error = try await bench.refusal("web_scrape", ["url": .string(url), "selector": .string(selector)])
                #expect(error.status == .unprocessableContent && error.parameter == "selector", "\(selector)")
            }
        }
    }

    @Test("What is too much is cut, and that is said")
    func scrapeMuch() async throws {
        let many = html((1...1_200).map { "<p>\($0)</p>" }.joined() + "<pre>\(String(repeating: "가", count: 1_100_000))</pre>")
        try await withSite([:], { _, _ in many }) { bench, url, _ in
            let result = try await bench.call("web_scrape", ["url": .string(url), "selector": "p"])
            #expect(result.structured["count"] == 1_000 && result.structured["truncated"] == true)
            #expect(result.text.hasSuffix("There is more: only the first 1000 are given."))
            let long = try await bench.call("web_scrape", ["url": .string(url), "selector": "pre"])
            #expect(long.structured["data"]?.arrayValue?.first?.stringValue?.count == 1 << 20 && long.structured["truncated"] == true)
        }
    }

    @Test("A screenshot is a PNG of the whole page")
    func screenshot() async throws {
        try await withSite { bench, url, _ in
            let result = try await bench.call("web_screenshot", ["url": .string(url), "width": 800, "height": 600])
            let png = try #require(Data(base64Encoded: result.structured["screenshot_base64"]?.stringValue ?? ""))
            #expect(png.prefix(8) == Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
            // The header of a PNG: width and height in bytes 16 to 23.
            let sides = [16, 20].map { start in png[start..<(start + 4)].reduce(0) { $0 << 8 | Int($1) } }
            #expect(result.structured["width"]?.intValue == 800 && sides[0] == 800)
            #expect(result.structured["height"]?.intValue == sides[1] && sides[1] > 3_000)
            #expect(result.images.map(\.mimeType) == ["image/png"] && result.images.first?.base64 == png.base64EncodedString())
            #expect(try Date(result.structured["timestamp"]?.stringValue ?? "", strategy: .iso8601).timeIntervalSinceNow > -60)
        }
    }

    @Test("A page without end is drawn up to a bound")
    func tallScreenshot() async throws {
        try await withSite([:], { _, _ in html("<div style='height: 90000px'></div>") }) { bench, url, _ in
            let result = try await bench.call("web_screenshot", ["url": .string(url), "width": 320])
            #expect(result.structured["height"] == 16_384 && result.text.contains("goes on"))
        }
    }

    @Test("A page's look is told")
    func analysis() async throws {
        try await withSite { bench, url, _ in
            let look = try await bench.call("web_analyze_ui", ["url": .string(url)]).structured
            #expect(look["url"] == .string(url) && look["title"] == "시험 페이지")
            #expect(look["css_styles"]?["backgroundColor"] == "rgb(250, 251, 252)" && look["css_styles"]?["color"] == "rgb(1, 2, 3)")
            #expect(look["css_styles"]?["fontFamily"] == "serif" && look["css_styles"]?["fontSize"] == "16px")
            #expect(look["layout_info"]?["padding"] == "4px" && look["layout_info"]?["margin"] == "8px")
            let colors = try #require(look["color_scheme"]?.arrayValue)
            #expect(colors.contains("rgb(1, 2, 3)") && colors.count <= 10)
            #expect((1...5).contains(try #require(look["fonts"]?.arrayValue).count))
        }
    }

    @Test("A page is operated: fields filled, elements clicked, links followed, pictures taken")
    func automation() async throws {
        try await withSite { bench, url, web in
            let actions = """
                [{"type":"fill","selector":"#name","value":"마루 \\"'`${1}"},{"type":"fill","selector":"#kind","value":"나"},
                {"type":"click","selector":"#send"},{"type":"wait","value":0.2},{"type":"screenshot"},{"type":"click","selector":"#go"}]
                """
            let result = try await bench.call("web_automate", ["url": .string(url), "actions": .string(actions)])
            #expect(result.structured["url"] == .string(url + "next") && result.structured["count"] == 6)
            let outcomes = try #require(result.structured["actions"]?.arrayValue)
            #expect(outcomes.map { $0["type"] } == ["fill", "fill", "click", "wait", "screenshot", "click"])
            #expect(outcomes[5]["outcome"] == .string("clicked “#go”, which led to \(url)next"))
            #expect(result.images.count == 1 && outcomes[4]["screenshot_base64"] == .string(result.images[0].base64))
            #expect(web.paths.contains("/next"))
            for (actions, code, phrase) in [
                (##"[{"type":"wait","value":0},{"type":"click","selector":"#no"}]"##, "no_such_element", "Action 1 (click): No element"),
                (##"[{"type":"click","selector":"#send["}]"##, "invalid_value", "no CSS selector"),
                (##"[{"type":"fill","selector":"h1","value":"x"}]"##, "not_fillable", "takes no text"),
                (##"[{"type":"fill","selector":"#box","value":"x"}]"##, "not_fillable", "takes no text"),
                (##"[{"type":"fill","selector":"#kind","value":"다"}]"##, "not_fillable", "does not take"),
                (##"[{"type":"click","selector":"script"}]"##, "not_clickable", "cannot be seen"),
            ] {
                let error = try await bench.refusal("web_automate", ["url": .string(url), "actions": .string(actions)])
                #expect(error.status == .unprocessableContent && error.code == code && error.message.contains(phrase), "\(error)")
            }
        }
    }

    @Test(
        "Actions that cannot be carried out are refused before a browser starts, with their place in the list",
        arguments: [
            ("{}", "JSON list"), ("[]", "1 to 50"), ("nonsense", "JSON list"), (##"["click"]"##, "Action 0"),
            (##"[{"type":"screenshot"},{"type":"dance"}]"##, "Action 1"), (##"[{"type":"click"}]"##, "selector"),
            (##"[{"type":"click","selector":7}]"##, "selector"), (##"[{"type":"fill","selector":"a"}]"##, "value"),
            (##"[{"type":"wait","value":31}]"##, "0 to 30"), (##"[{"type":"wait","value":"NaN"}]"##, "0 to 30"),
            (##"[{"type":"wait"}]"##, "0 to 30"),
            (##"[{"type":"click","selector":"a","script":"x"}]"##, "script"),
            ("[\(Array(repeating: #"{"type":"wait","value":30}"#, count: 3).joined(separator: ","))]", "60 s"),
            ("[\(Array(repeating: #"{"type":"screenshot"}"#, count: 6).joined(separator: ","))]", "5 screenshots"),
        ])
    func badActions(_ text: String, _ phrase: String) throws {
        let error = #expect(throws: ServiceError.self) { try PageActions(text) }
        #expect(error?.status == .unprocessableContent && error?.parameter == "actions")
        #expect(error?.message.contains(phrase) == true, "\(error?.message ?? "")")
    }

    @Test("Who approves is shown every action in words")
    func preview() async throws {
        try await withSite { bench, url, web in
            let tool = WebAutomate(pages: bench.pages)
            let descriptor = try #require(ToolCatalogue["web_automate"])
            let context = ToolContext(caller: Caller(id: "a", role: .admin))
            let actions =
                ##"[{"type":"fill","selector":"#name","value":"마루"},{"type":"click","selector":"#send"},{"type":"wait","value":"2"}]"##
            let call = try ToolArguments(["url": .string(url), "actions": .string(actions)], for: descriptor)
            #expect(
                try await tool.preview(call, context) == """
                    Opens \(url) in a browser that knows nobody, then:
                    1. fill “#name” with “마루”
                    2. click “#send”
                    3. wait 2 s
                    """)
            let bad = try ToolArguments(["url": "http://10.0.0.1/", "actions": .string(actions)], for: descriptor)
            await #expect(throws: ServiceError.self) { try await tool.preview(bad, context) }
            #expect(web.connectionCount == 0)
        }
    }

    @Test("A page cannot deceive those who read it by changing its own JavaScript")
    func isolatedWorld() async throws {
        let hostile = html(
            """
            <p>참</p><script>
            Document.prototype.querySelectorAll = () => [{ textContent: '거짓' }]; document.querySelectorAll = () => [];
            Array.prototype.push = () => 0; String.prototype.trim = () => '거짓'; window.getComputedStyle = () => ({});
            </script>
            """)
        try await withSite([:], { _, _ in hostile }) { bench, url, _ in
            let read = try await bench.scrape(url)
            #expect(read == ["참"])
        }
    }

    @Test("What is no page, is not there or is not shown has an error of its own")
    func unreachable() async throws {
        let download = html("x", fields: ["Content-Disposition: attachment; filename=a.html"])
        try await withSite([:], { path, _ in path == "/empty" ? "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n" : download }) {
            bench, url, _ in
            for path in ["download", "empty"] {
                let error = try await bench.refusal("web_scrape", ["url": .string(url + path), "selector": "p"])
                #expect(error.status == .unprocessableContent && error.code == "not_a_page", "\(path): \(error)")
            }
        }
        // Nobody listens there any more.
        let port = try await LocalWeb.with { $0.port }
        try await WebBench.with(allowing: [port]) { bench in
            let error = try await bench.refusal("web_scrape", ["url": .string("http://127.0.0.1:\(port)/"), "selector": "p"])
            #expect(error.status == .badGateway && error.code == "page_unreachable" && error.message.contains("connected"), "\(error)")
        }
        try await withSite([:], { _, _ in html("<p>없습니다</p>", status: "404 Not Found") }) { bench, url, _ in
            let read = try await bench.scrape(url)
            #expect(read == ["없습니다"])
        }
    }

    @Test("Without a browser, or with one that does not run, it is said what to do")
    func noBrowser() async throws {
        for (program, phrase) in [("/no/such/chromium", "Install it"), ("/bin/false", "ended by itself")] {
            let error = try await LocalWeb.with { web in
                try await WebBench.with(allowing: [web.port], ["CHROMIUM": program]) { bench in
                    try await bench.refusal("web_scrape", ["url": .string("http://127.0.0.1:\(web.port)/"), "selector": "p"])
                }
            }
            #expect(error.status == .serviceUnavailable && error.code == "browser_unavailable", "\(error)")
            #expect(error.message.contains(phrase), "\(error)")
        }
    }
}
