import Foundation
import ServiceKit
import SuiteAPI

/// `web_to_notion`: the title and the first paragraphs of a web page, as a page of Notion.
struct WebToNotion: Tool {
    /// Paragraphs that are saved.
    static let paragraphs = 5

    let name = "web_to_notion"
    let client: NotionClient
    /// The texts of a web page's elements, a list for each CSS selector.
    let read: @Sendable (_ url: String, _ selectors: [String]) async throws -> [[String]]

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        // What must fail does so before a page is opened.
        try client.requireToken()
        let id = try NotionID(arguments.string("database_id"), parameter: "database_id")
        let database = try await client.database(id)
        let titleProperty = try database.titleProperty()
        let url = arguments.string("url")
        await context.progress(0.2, "reading the page")
        let texts = try await read(url, [arguments.string("title_selector"), arguments.string("content_selector")])
        let found = texts.map { $0.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty } }
        let title = NotionText(cutting: found.first?.first ?? "Web page: \(url)")
        let all = found.count > 1 ? found[1] : []
        let kept = all.prefix(Self.paragraphs).map(NotionText.init(cutting:))
        let content = NotionText(cutting: all.prefix(Self.paragraphs).joined(separator: "\n"))

        var properties: [String: JSONValue] = [titleProperty: ["title": title.richText]]
        if database.has("URL", of: "url"), url.utf16.count <= NotionText.longest { properties["URL"] = ["url": .string(url)] }
        if database.has("Content", of: "rich_text"), !content.text.isEmpty { properties["Content"] = ["rich_text": content.richText] }
        await context.progress(0.7, "saving it to Notion")
        let page = try await client.create(NotionPageDraft(database: id, properties: properties, paragraphs: kept))

        let isCut =
            title.isCut || all.count > kept.count || kept.contains(where: \.isCut) || (properties["Content"] != nil && content.isCut)
        let saved = "\(kept.count) of \(all.count) paragraphs saved" + (isCut ? "; what was too long or too much was cut" : "")
        return ToolResult(
            [
                "page_id": .string(page.id), "url": .string(page.url), "title": .string(title.text), "status": "created",
                "paragraphs_found": .integer(Int64(all.count)), "paragraphs_saved": .integer(Int64(kept.count)), "is_cut": .bool(isCut),
            ], text: "created \(page.url): \(saved)")
    }
}
