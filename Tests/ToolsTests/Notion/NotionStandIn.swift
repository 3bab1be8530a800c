import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import TestSupport
import Testing

@testable import Tools

/// Answers as Notion's API does, in the shapes of its reference (https://developers.notion.com/reference, version 2022-06-28).
final class NotionStandIn: SuiteService {
    struct Call: Sendable {
        let path: String
        let version: String?
        let authorization: String?
        let body: JSONValue
    }

    /// An error that the next requests to a path are answered with.
    struct Failure: Sendable {
        let status: Int
        let code: String
        let message: String
        var retryAfter: String?
        var times = 1
    }

    static let database = "668d797c-76fa-4934-9b05-ad288df2d136"
    static let page = "59833787-2cf9-4fdf-8782-e53db20768a5"
    static let token = "ntn_4567890123456789"

    let id = ServiceID.gateway
    let errorShape = ErrorShape.detail
    private let made = Mutex<[Call]>([])
    private let failures = Mutex<[String: Failure]>([:])

    var calls: [Call] { made.withLock { $0 } }

    func fail(_ path: String, _ failure: Failure) { failures.withLock { $0[path] = failure } }

    func health() async -> Health { Health() }

    var routes: [Route] {
        [
            route(.get, "/v1/databases/{id}", Self.databaseObject), route(.post, "/v1/pages", Self.pageObject),
            route(.post, "/v1/search", Self.found),
        ]
    }

    private func route(_ method: HTTPRequest.Method, _ path: String, _ answer: JSONValue) -> Route {
        Route(method, path, "Notion's.") { request, context in
            let bytes = try await request.bytes(context)
            let body = bytes.readableBytes == 0 ? .null : try Request.decode(JSONValue.self, from: bytes)
            let path = request.uri.path
            self.made.withLock {
                $0.append(
                    Call(
                        path: path, version: HTTPField.Name("Notion-Version").flatMap { request.headers[$0] },
                        authorization: request.headers[.authorization], body: body))
            }
            if let failure = self.nextFailure(path) { return Self.response(failure) }
            return .json(answer)
        }
    }

    private func nextFailure(_ path: String) -> Failure? {
        failures.withLock { failures in
            guard var failure = failures[path], failure.times > 0 else { return nil }
            failure.times -= 1
            failures[path] = failure
            return failure
        }
    }

    private static func response(_ failure: Failure) -> Response {
        let body: JSONValue = [
            "object": "error", "status": .integer(Int64(failure.status)), "code": .string(failure.code),
            "message": .string(failure.message),
            "request_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        ]
        return .json(body, status: .init(code: failure.status), headers: failure.retryAfter.map { [.retryAfter: $0] } ?? [:])
    }

    /// A database whose title property has a name of its own.
    private static let databaseObject: JSONValue = [
        "object": "database", "id": .string(database), "created_time": "2020-03-17T19:10:04.968Z",
        "title": [["type": "text", "text": ["content": "Reading List", "link": nil], "plain_text": "Reading List", "href": nil]],
        "properties": [
            "Article": ["id": "title", "name": "Article", "type": "title", "title": [:]],
            "URL": ["id": "%3A%5DxV", "name": "URL", "type": "url", "url": [:]],
            "Content": ["id": "V%7D%40B", "name": "Content", "type": "rich_text", "rich_text": [:]],
            "Done": ["id": "xY%3Fq", "name": "Done", "type": "checkbox", "checkbox": [:]],
        ],
        "parent": ["type": "page_id", "page_id": "98ad959b-2b6a-4774-80ee-00246fb0ea9b"], "archived": false,
    ]

    private static let pageObject: JSONValue = [
        "object": "page", "id": .string(page), "created_time": "2022-03-01T19:05:00.000Z", "last_edited_time": "2022-07-06T20:25:00.000Z",
        "parent": ["type": "database_id", "database_id": .string(database)], "archived": false,
        "properties": ["Article": ["id": "title", "type": "title", "title": []]],
        "url": "https://www.notion.so/Tuscan-Kale-598337872cf94fdf8782e53db20768a5",
    ]

    /// A page of a database, a page of a page, and a database. More than ten, though ten were asked for.
    private static let found: JSONValue = [
        "object": "list", "next_cursor": nil, "has_more": false, "type": "page_or_database",
        "results": .array(
            [
                [
                    "object": "page", "id": "954b67f9-3f87-41db-8874-23b92bbd31ee", "last_edited_time": "2022-07-06T19:41:00.000Z",
                    "properties": [
                        "Store availability": ["id": "%3AUPp", "type": "multi_select", "multi_select": []],
                        "Name": [
                            "id": "title", "type": "title",
                            "title": [
                                ["type": "text", "text": ["content": "Avocado"], "plain_text": "Avocado"],
                                ["type": "text", "text": ["content": " toast"], "plain_text": " toast"],
                            ],
                        ],
                    ], "url": "https://www.notion.so/Avocado-954b67f93f8741db887423b92bbd31ee",
                ],
                [
                    "object": "page", "id": "59833787-2cf9-4fdf-8782-e53db20768a5", "last_edited_time": "2022-07-06T20:25:00.000Z",
                    "properties": ["title": ["id": "title", "type": "title", "title": []]],
                    "url": "https://www.notion.so/598337872cf94fdf8782e53db20768a5",
                ],
                [
                    "object": "database", "id": .string(database), "last_edited_time": "2021-07-08T23:50:00.000Z",
                    "title": [["type": "text", "plain_text": "Grocery List"]],
                    "properties": ["Name": ["id": "title", "name": "Name", "type": "title", "title": [:]]],
                    "url": "https://www.notion.so/668d797c76fa49349b05ad288df2d136",
                ],
            ] + (0..<9).map { ["object": "page", "id": .string("\($0)"), "properties": [:]] }),
    ]

    /// Runs the stand-in and the tools against it.
    static func with(
        token: String = NotionStandIn.token, _ body: @escaping @Sendable (NotionStandIn, NotionBench) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let standIn = NotionStandIn()
            try await withRunning(standIn, settings: try await Settings.test(folder: folder)) { client in
                let settings = try await Settings.test(
                    ["NOTION_TOKEN": token, "NOTION_API_URL": "http://127.0.0.1:\(client.port ?? 0)"], folder: folder)
                let retry = RetryPolicy(attempts: 3, firstWait: .milliseconds(5), longestWait: .seconds(2))
                try await body(standIn, NotionBench(client: NotionClient(settings: settings, retry: retry)))
            }
        }
    }
}

/// Calls of the Notion tools as they arrive from outside.
struct NotionBench: Sendable {
    let client: NotionClient

    func call(_ tool: any Tool, _ arguments: JSONValue) async throws -> ToolResult {
        let checked = try ToolArguments(arguments, for: try #require(ToolCatalogue[tool.name]))
        return try await tool.run(checked, ToolContext(caller: Caller(id: "a", role: .admin)))
    }

    func create(_ arguments: [String: JSONValue]) async throws -> JSONValue {
        let whole = ["database_id": .string(NotionStandIn.database), "title": "Kale"].merging(arguments) { $1 }
        return try await call(NotionCreatePage(client: client), .object(whole)).structured
    }

    /// The error that making a page ends with.
    func refusal(_ arguments: [String: JSONValue] = [:]) async throws -> ServiceError {
        try #require(await #expect(throws: ServiceError.self) { try await create(arguments) })
    }
}
