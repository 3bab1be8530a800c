import Foundation
import ServiceKit

/// `web_screenshot`.
struct WebScreenshot: Tool {
    let name = "web_screenshot"
    let pages: WebPages

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let (width, height) = (arguments.integer("width"), arguments.integer("height"))
        let (url, picture, note) = try await pages.withPage(arguments.string("url"), width: width, height: height) { page in
            (page.url, try await page.picture(), await page.refusals())
        }
        let size = "\(url): \(picture.width) × \(picture.height) pixels."
        return ToolResult(
            [
                "url": .string(url), "screenshot_base64": .string(picture.base64), "width": .integer(Int64(picture.width)),
                "height": .integer(Int64(picture.height)), "timestamp": .string(Date.now.ISO8601Format()),
            ],
            text: [size, picture.isCut ? "The page goes on beyond." : "", note].filter { !$0.isEmpty }.joined(separator: " "),
            images: [picture.image])
    }
}

/// `web_scrape`.
struct WebScrape: Tool {
    let name = "web_scrape"
    let pages: WebPages

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let selector = arguments.string("selector")
        let attribute = arguments.string("attribute")
        let (url, found, note) = try await pages.withPage(arguments.string("url")) { page in
            (page.url, try await page.texts(selector: selector, attribute: attribute), await page.refusals())
        }
        let lines = found.values.isEmpty ? ["Nothing on \(url) matches “\(selector)”."] : found.values
        let cut = found.isCut ? "There is more: only the first \(found.values.count) are given." : ""
        return ToolResult(
            [
                "url": .string(url), "selector": .string(selector), "data": .array(found.values.map(JSONValue.string)),
                "count": .integer(Int64(found.values.count)), "truncated": .bool(found.isCut),
            ], text: (lines + [cut, note]).filter { !$0.isEmpty }.joined(separator: "\n"))
    }
}

/// `web_analyze_ui`.
struct WebAnalyzeUI: Tool {
    let name = "web_analyze_ui"
    let pages: WebPages

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let (url, look, note) = try await pages.withPage(arguments.string("url")) { page in
            (page.url, try await page.look(), await page.refusals())
        }
        var result = look.objectValue ?? [:]
        result["url"] = .string(url)
        let text = String(decoding: try JSONEncoder.sorted.encode(JSONValue.object(result)), as: UTF8.self)
        return ToolResult(.object(result), text: [text, note].filter { !$0.isEmpty }.joined(separator: "\n"))
    }
}
