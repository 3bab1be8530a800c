import Foundation
import HTTPTypes
import ServiceKit
import Testing

@testable import Tools

@Suite("Notion")
struct NotionToolsTests {
    @Test("A page is made under the database's own title property, with the properties that were given")
    func creates() async throws {
        try await NotionStandIn.with { notion, bench in
            let made = try await bench.create(["properties": #"{"Done": {"checkbox": true}}"#])
            #expect(made["page_id"]?.stringValue == NotionStandIn.page && made["title"]?.stringValue == "Kale")
            #expect(made["url"]?.stringValue?.hasPrefix("https://www.notion.so/") == true && made["status"]?.stringValue == "created")
            let calls = notion.calls
            #expect(calls.map(\.path) == ["/v1/databases/\(NotionStandIn.database)", "/v1/pages"])
            #expect(calls.allSatisfy { $0.version == "2022-06-28" && $0.authorization == "Bearer \(NotionStandIn.token)" })
            let body = try #require(calls.last?.body)
            #expect(body["parent"]?["database_id"]?.stringValue == NotionStandIn.database && body["children"] == nil)
            #expect(
                body["properties"] == [
                    "Article": ["title": [["type": "text", "text": ["content": "Kale"]]]], "Done": ["checkbox": true],
                ])
        }
    }

    @Test("An id may come without dashes; what is none never reaches an address")
    func ids() async throws {
        try await NotionStandIn.with { notion, bench in
            _ = try await bench.create(["database_id": .string(NotionStandIn.database.replacing("-", with: "").uppercased())])
            #expect(notion.calls.first?.path == "/v1/databases/\(NotionStandIn.database)")
            for bad in ["", "x", "../../v1/users", NotionStandIn.database + "0", "６68d797c76fa49349b05ad288df2d136"] {
                let error = try await bench.refusal(["database_id": .string(bad)])
                #expect(error.status == .unprocessableContent && error.parameter == "database_id")
            }
            #expect(notion.calls.count == 2)
        }
    }

    @Test("Properties that are no JSON object, or hold the title again, and a title too long for Notion are 422")
    func properties() async throws {
        try await NotionStandIn.with { notion, bench in
            for bad in ["", "[]", "7", "{", #""Done""#, #"{"Article": {"title": []}}"#] {
                let error = try await bench.refusal(["properties": .string(bad)])
                #expect(error.status == .unprocessableContent && error.parameter == "properties", "\(bad)")
            }
            let long = try await bench.refusal([
                "title": .string(String(repeating: "긴", count: 1_000) + String(repeating: "x", count: 1_001))
            ])
            #expect(long.status == .unprocessableContent && long.parameter == "title")
            #expect(!notion.calls.contains { $0.path == "/v1/pages" })
        }
    }

    @Test("Without a token nothing is asked: 409 with how to set one")
    func noToken() async throws {
        try await NotionStandIn.with(token: "") { notion, bench in
            let error = try await bench.refusal()
            #expect(error.status == .conflict && error.code == "notion_not_configured" && error.message.contains("NOTION_TOKEN"))
            await #expect(throws: ServiceError.self) { try await bench.call(NotionSearch(client: bench.client), ["query": "a"]) }
            #expect(notion.calls.isEmpty)
        }
    }

    @Test(
        "What Notion refuses is told in its own words, and never with the token",
        arguments: [
            (400, "validation_error", 422, "notion_refused"), (401, "unauthorized", 502, "notion_unauthorized"),
            (403, "restricted_resource", 502, "notion_forbidden"), (404, "object_not_found", 404, "notion_not_found"),
            (409, "conflict_error", 409, "notion_conflict"), (503, "service_unavailable", 502, "notion_uncertain"),
        ])
    func refusals(status: Int, theirs: String, ours: Int, code: String) async throws {
        try await NotionStandIn.with { notion, bench in
            notion.fail("/v1/pages", .init(status: status, code: theirs, message: "Its own words."))
            let error = try await bench.refusal()
            #expect(error.status.code == ours && error.code == code)
            #expect(error.message.contains("Its own words.") && !error.message.contains(NotionStandIn.token))
            #expect(notion.calls.count { $0.path == "/v1/pages" } == 1, "a page must not be made twice")
        }
    }

    @Test("Notion's Retry-After is waited for when it is short, and passed on when it is long")
    func tooMany() async throws {
        try await NotionStandIn.with { notion, bench in
            notion.fail("/v1/pages", .init(status: 429, code: "rate_limited", message: "Slow down.", retryAfter: "1"))
            let start = ContinuousClock.now
            #expect(try await bench.create([:])["status"]?.stringValue == "created")
            #expect(start.duration(to: .now) >= .seconds(1))

            notion.fail("/v1/pages", .init(status: 429, code: "rate_limited", message: "Slow down.", retryAfter: "3600"))
            let error = try await bench.refusal()
            #expect(error.status == .serviceUnavailable && error.code == "notion_rate_limited" && error.retryAfter == .seconds(3_600))
            #expect(notion.calls.count { $0.path == "/v1/pages" } == 3)
        }
    }

    @Test("Reading is asked again when Notion stumbles")
    func stumbles() async throws {
        try await NotionStandIn.with { notion, bench in
            notion.fail("/v1/search", .init(status: 502, code: "bad_gateway", message: "", times: 2))
            _ = try await bench.call(NotionSearch(client: bench.client), ["query": "kale"])
            #expect(notion.calls.count == 3)
        }
    }

    @Test("A search gives ten results at the most, each with the title of its kind of object")
    func searches() async throws {
        try await NotionStandIn.with { notion, bench in
            let found = try await bench.call(NotionSearch(client: bench.client), ["query": "kale", "filter_type": "database"]).structured
            let results = try #require(found["results"]?.arrayValue)
            #expect(results.count == 10)
            #expect(results.prefix(3).map { $0["title"]?.stringValue } == ["Avocado toast", "", "Grocery List"])
            #expect(
                results[0] == [
                    "id": "954b67f9-3f87-41db-8874-23b92bbd31ee", "title": "Avocado toast",
                    "url": "https://www.notion.so/Avocado-954b67f93f8741db887423b92bbd31ee", "last_edited": "2022-07-06T19:41:00.000Z",
                ])
            #expect(
                notion.calls.last?.body == [
                    "query": "kale", "filter": ["property": "object", "value": "database"], "page_size": 10,
                ])
        }
    }
}

@Suite("Web pages to Notion")
struct WebToNotionTests {
    private let address = "https://example.org/kale"

    /// What Notion was given of a web page with these texts, and what the tool said.
    private func saved(_ texts: [[String]], url: String? = nil) async throws -> (body: JSONValue, result: JSONValue) {
        let url = url ?? address
        let kept = Kept()
        try await NotionStandIn.with { notion, bench in
            let tool = WebToNotion(client: bench.client) { asked, selectors in
                #expect(asked == url && selectors == ["h1", "p"])
                return texts
            }
            let result = try await bench.call(tool, ["url": .string(url), "database_id": .string(NotionStandIn.database)])
            await kept.keep((try #require(notion.calls.last?.body), result.structured))
        }
        return try #require(await kept.value)
    }

    private actor Kept {
        var value: (JSONValue, JSONValue)?
        func keep(_ value: (JSONValue, JSONValue)) { self.value = value }
    }

    @Test("Title, address and paragraphs are saved, as properties where the database has them and as content")
    func saves() async throws {
        let (body, result) = try await saved([[" Kale ", "Second"], ["One.", "  ", "Two."]])
        func rich(_ text: JSONValue) -> JSONValue { [["type": "text", "text": ["content": text]]] }
        #expect(
            body["properties"] == [
                "Article": ["title": rich("Kale")], "URL": ["url": .string(address)], "Content": ["rich_text": rich("One.\nTwo.")],
            ])
        #expect(
            body["children"] == [
                ["object": "block", "type": "paragraph", "paragraph": ["rich_text": rich("One.")]],
                ["object": "block", "type": "paragraph", "paragraph": ["rich_text": rich("Two.")]],
            ])
        #expect(result["is_cut"] == false && result["paragraphs_saved"]?.intValue == 2 && result["title"]?.stringValue == "Kale")
    }

    @Test("Five paragraphs at the most, of 2000 characters each, and the result says that something was cut")
    func cuts() async throws {
        let long = String(repeating: "가", count: 1_999) + "😀😀"
        let (body, result) = try await saved([[], [long] + (1...6).map { "\($0)" }])
        let children = try #require(body["children"]?.arrayValue)
        #expect(children.count == 5)
        let first = children[0]["paragraph"]?["rich_text"]?.arrayValue?.first?["text"]?["content"]?.stringValue
        #expect(first == String(repeating: "가", count: 1_999), "no character is split")
        #expect(result["is_cut"] == true && result["paragraphs_found"]?.intValue == 7 && result["paragraphs_saved"]?.intValue == 5)
        #expect(result["title"]?.stringValue == "Web page: \(address)")
        let page = try await saved([["T"], []])
        #expect(page.body["children"] == nil && page.body["properties"]?["Content"] == nil && page.result["is_cut"] == false)
    }

    @Test("A database that is not there is told of before any page is opened")
    func unknown() async throws {
        try await NotionStandIn.with { notion, bench in
            notion.fail(
                "/v1/databases/\(NotionStandIn.database)",
                .init(status: 404, code: "object_not_found", message: "Could not find database."))
            let tool = WebToNotion(client: bench.client) { _, _ in
                Issue.record("the page was opened")
                return []
            }
            let error = await #expect(throws: ServiceError.self) {
                try await bench.call(tool, ["url": "https://example.org", "database_id": .string(NotionStandIn.database)])
            }
            #expect(error?.status == .notFound)
        }
    }
}
