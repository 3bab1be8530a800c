import Foundation
import ServiceKit
import Suite

/// The tools that work with Notion.
enum NotionTools {
    static func all(_ settings: Settings, pages: WebPages) -> [any Tool] {
        let client = NotionClient(settings: settings)
        let webToNotion = WebToNotion(client: client) { url, selectors in
            try await pages.withPage(url) { page in
                var texts: [[String]] = []
                for selector in selectors { texts.append(try await page.texts(selector: selector).values) }
                return texts
            }
        }
        return [NotionCreatePage(client: client), NotionSearch(client: client), webToNotion]
    }
}

/// `notion_create_page`.
struct NotionCreatePage: Tool {
    let name = "notion_create_page"
    let client: NotionClient

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        try client.requireToken()
        let id = try NotionID(arguments.string("database_id"), parameter: "database_id")
        let title = NotionText(cutting: arguments.string("title"))
        guard !title.isCut else {
            throw ServiceError.invalid("“title” has more than the \(NotionText.longest) characters that Notion takes.", parameter: "title")
        }
        var properties = try Self.properties(arguments.string("properties"))
        let titleProperty = try await client.database(id).titleProperty()
        guard properties.updateValue(["title": title.richText], forKey: titleProperty) == nil else {
            throw ServiceError.invalid(
                "“properties” must not hold “\(titleProperty)”: that is the title of this database's pages, which “title” gives.",
                parameter: "properties")
        }
        let page = try await client.create(NotionPageDraft(database: id, properties: properties))
        return ToolResult(
            ["page_id": .string(page.id), "url": .string(page.url), "title": .string(title.text), "status": "created"],
            text: "created \(page.url)")
    }

    private static func properties(_ text: String) throws -> [String: JSONValue] {
        guard let members = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)).objectValue else {
            throw ServiceError.invalid(
                "“properties” must be a JSON object of Notion's property values, for example {\"Done\": {\"checkbox\": true}}.",
                parameter: "properties")
        }
        return members
    }
}

/// `notion_search`.
struct NotionSearch: Tool {
    let name = "notion_search"
    let client: NotionClient

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let query = arguments.string("query")
        let hits = try await client.search(query, kind: arguments.string("filter_type"))
        let results = hits.map { hit in
            JSONValue.object([
                "id": .string(hit.id), "title": .string(hit.title), "url": hit.url.map(JSONValue.string) ?? .null,
                "last_edited": hit.lastEdited.map(JSONValue.string) ?? .null,
            ])
        }
        let lines = hits.map { "\($0.title.isEmpty ? "untitled" : $0.title): \($0.url ?? $0.id)" }
        return ToolResult(
            ["query": .string(query), "results": .array(results), "count": .integer(Int64(results.count))],
            text: lines.isEmpty ? "nothing found" : lines.joined(separator: "\n"))
    }
}
