/// The tools that open web pages.
enum WebTools {
    static func all(_ pages: WebPages) -> [any Tool] {
        [WebScreenshot(pages: pages), WebScrape(pages: pages), WebAnalyzeUI(pages: pages), WebAutomate(pages: pages)]
    }
}
